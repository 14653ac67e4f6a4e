//! The picture of §14, and drawings that hold together.

use super::*;
use crate::review::tests::cedar;

/// The lines of the picture in flow-language §14; the one that is taken when nobody accepts is dashed.
const SECTION_14: &str = "  n0[welcome]
  n1[main menu]
  n2[symptoms]
  n3{{call 911}}
  n4([reach the doctor])
  n5[still trying]
  n6[cannot wait]
  n7[refills]
  n8[running out]
  n9[/refill request/]
  n10[appointments]
  n11[/nurse message/]
  n12[/appointment message/]
  n13[/office message/]
  n14[/voice message/]
  n0 --> n1
  n1 -->|1| n2
  n1 -->|2| n7
  n1 -->|3| n10
  n1 -->|4| n4
  n1 -->|5| n13
  n2 -->|emergency| n3
  n2 -->|urgent| n4
  n2 -->|semi-urgent| n11
  n4 -.->|no one accepts| n5
  n6 -->|yes| n14
  n6 -->|no| n4
  n7 -->|yes| n8
  n7 -->|no| n9
  n8 -->|yes| n4
  n8 -->|no| n9
  n10 -->|not found| n12
";

#[test]
fn cedar_is_drawn_as_the_specification_draws_it() {
    let mermaid = Graph::new(&cedar().flows[0]).to_mermaid();
    let drawn: String = mermaid
        .lines()
        .filter(|line| line.starts_with("  n"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(drawn, SECTION_14);
}

#[test]
fn colours_and_rings_say_what_can_follow() {
    let graph = Graph::new(&cedar().flows[0]);
    let of = |name: &str| {
        graph
            .boxes
            .iter()
            .find(|section| section.name == name)
            .expect("a section")
    };
    assert_eq!(of("welcome").worst, Some(Level::Emergency));
    assert_eq!(of("reach the doctor").worst, Some(Level::Urgent));
    assert_eq!(of("nurse message").worst, Some(Level::SemiUrgent));
    assert_eq!(of("office message").worst, Some(Level::Routine));
    assert_eq!(of("still trying").worst, None);
    let dot = graph.to_dot();
    assert!(
        dot.contains("peripheries=2") && dot.contains("penwidth=3") && dot.contains("style=dashed"),
        "{dot}"
    );
}

#[test]
fn every_box_and_line_is_on_the_drawing_and_no_two_boxes_overlap() {
    let graph = Graph::new(&cedar().flows[0]);
    let svg = graph.to_svg();
    assert_eq!(svg.matches("marker-end").count(), graph.lines.len());
    for section in &graph.boxes {
        for word in section.name.split(' ') {
            assert!(svg.contains(word), "{word}");
        }
    }
    let corners: Vec<&str> = svg
        .lines()
        .filter(|line| line.contains("rx=\"8\"") && !line.contains("fill=\"none\""))
        .map(|line| line.split(" width").next().unwrap_or(line))
        .collect();
    assert_eq!(corners.len(), graph.boxes.len());
    let apart: BTreeSet<&&str> = corners.iter().collect();
    assert_eq!(apart.len(), corners.len(), "two boxes at one place");
}

#[test]
fn circles_do_not_keep_the_drawing_from_ending() {
    let boxes = (0..6)
        .map(|at| Section {
            name: format!("a section with a rather long name, number {at} & <more>"),
            kind: Kind::Words,
            worst: None,
        })
        .collect();
    let lines = [(0, 1), (1, 2), (2, 0), (2, 2), (2, 5), (5, 1), (0, 5), (3, 4), (4, 3)]
        .map(|(from, to)| Line {
            from,
            to,
            label: "<1>".to_owned(),
            dashed: false,
        })
        .to_vec();
    let graph = Graph {
        title: "circles".to_owned(),
        boxes,
        lines,
        note: String::new(),
    };
    let svg = graph.to_svg();
    assert!(!svg.contains("<1>") && !svg.contains("<more>"), "escaped");
    assert_eq!(svg.matches("marker-end").count(), 8, "all but the one to itself");
}

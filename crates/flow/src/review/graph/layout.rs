//! A layered drawing: boxes in columns by how many steps lead to them, lines bent through the columns they pass.
//!
//! Four classical steps: lines that go back are turned round for the drawing; every box stands one column right of the
//! last that leads to it; lines over several columns get a bend in each; boxes and bends are sorted by where their
//! neighbours stand, a few times to and fro. Flows have dozens of boxes, so nothing cleverer is wanted.

use std::fmt::Write as _;

use super::{Graph, Kind, LEVELS, colours, escaped};

const BOX_WIDTH: f64 = 150.0;
const BOX_HEIGHT: f64 = 44.0;
const COLUMN: f64 = 240.0;
const ROW: f64 = 72.0;
const MARGIN: f64 = 24.0;
/// Letters that fit one line of a box.
const LETTERS: usize = 22;
/// To and fro so often.
const SWEEPS: usize = 8;
/// More boxes than anybody could read; the rest of a flow that large is left to DOT.
const BOXES_MAX: usize = 2_000;

/// A box, or a bend of a line in a column between its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Box(usize),
    Bend,
}

/// The picture.
pub(super) fn svg(graph: &Graph) -> String {
    let drawn = Drawing::new(graph);
    let rows = drawn.columns.iter().map(Vec::len).max().unwrap_or(1);
    let width = MARGIN * 2.0 + COLUMN * real(drawn.columns.len().saturating_sub(1)) + BOX_WIDTH;
    let legend = MARGIN + ROW * real(rows);
    let height = legend + 70.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>{}</title>\n<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escaped(&graph.title)
    );
    for (line, spots) in graph.lines.iter().zip(&drawn.ways) {
        let points: Vec<(f64, f64)> = spots.iter().map(|spot| drawn.centre(*spot)).collect();
        draw_line(&points, line.dashed, &line.label, &mut out);
    }
    for (at, section) in graph.boxes.iter().enumerate() {
        let Some(spot) = drawn.spots.iter().position(|spot| *spot == Spot::Box(at)) else {
            continue;
        };
        draw_box(
            drawn.centre(spot),
            &section.name,
            section.kind,
            colours(section.worst).0,
            &mut out,
        );
    }
    draw_legend(legend, &graph.note, &mut out);
    out.push_str("</svg>\n");
    out
}

struct Drawing {
    spots: Vec<Spot>,
    /// The spots of each column from top to bottom.
    columns: Vec<Vec<usize>>,
    /// The spots each line passes, from its true beginning to its true end.
    ways: Vec<Vec<usize>>,
    rows: usize,
}

impl Drawing {
    fn new(graph: &Graph) -> Self {
        let count = graph.boxes.len().min(BOXES_MAX);
        let lines: Vec<(usize, usize)> = graph.lines.iter().map(|line| (line.from, line.to)).collect();
        let back = backwards(count, &lines);
        let column = columns(count, &lines, &back);
        let mut drawing = Self {
            spots: (0..count).map(Spot::Box).collect(),
            columns: vec![Vec::new(); column.iter().max().map_or(1, |last| last + 1)],
            ways: Vec::new(),
            rows: 1,
        };
        for (at, column) in column.iter().enumerate() {
            if let Some(spots) = drawing.columns.get_mut(*column) {
                spots.push(at);
            }
        }
        let at = |index: usize| column.get(index).copied().unwrap_or_default();
        for (line, &(from, to)) in lines.iter().enumerate() {
            let turned = back.get(line).copied().unwrap_or_default();
            let (first, last) = if turned { (to, from) } else { (from, to) };
            let mut way = vec![first];
            for between in at(first) + 1..at(last) {
                drawing.spots.push(Spot::Bend);
                let bend = drawing.spots.len() - 1;
                if let Some(spots) = drawing.columns.get_mut(between) {
                    spots.push(bend);
                }
                way.push(bend);
            }
            way.push(last);
            if turned {
                way.reverse();
            }
            drawing.ways.push(way);
        }
        drawing.sort();
        drawing.rows = drawing.columns.iter().map(Vec::len).max().unwrap_or(1);
        drawing
    }

    /// Each spot goes where its neighbours in the column before (or after) stand on average.
    fn sort(&mut self) {
        let mut neighbours = vec![Vec::new(); self.spots.len()];
        for way in &self.ways {
            for pair in way.windows(2) {
                if let [one, other] = *pair {
                    if let Some(of) = neighbours.get_mut(one) {
                        of.push(other);
                    }
                    if let Some(of) = neighbours.get_mut(other) {
                        of.push(one);
                    }
                }
            }
        }
        for sweep in 0..SWEEPS {
            let last = self.columns.len();
            for step in 1..last {
                let (column, beside) = if sweep % 2 == 0 {
                    (step, step - 1)
                } else {
                    (last - 1 - step, last - step)
                };
                let place: Vec<Option<usize>> = (0..self.spots.len())
                    .map(|spot| {
                        self.columns
                            .get(beside)
                            .and_then(|beside| beside.iter().position(|known| *known == spot))
                    })
                    .collect();
                let Some(spots) = self.columns.get_mut(column) else {
                    continue;
                };
                let mean = |spot: usize, now: usize| {
                    let near: Vec<usize> = neighbours
                        .get(spot)
                        .into_iter()
                        .flatten()
                        .filter_map(|other| place.get(*other).copied().flatten())
                        .collect();
                    if near.is_empty() {
                        real(now)
                    } else {
                        near.iter().map(|at| real(*at)).sum::<f64>() / real(near.len())
                    }
                };
                let mut ranked: Vec<(f64, usize)> = spots
                    .iter()
                    .enumerate()
                    .map(|(now, spot)| (mean(*spot, now), *spot))
                    .collect();
                ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
                *spots = ranked.into_iter().map(|(_, spot)| spot).collect();
            }
        }
    }

    fn centre(&self, spot: usize) -> (f64, f64) {
        let found = self.columns.iter().enumerate().find_map(|(column, spots)| {
            let row = spots.iter().position(|known| *known == spot)?;
            Some((column, row, spots.len()))
        });
        let (column, row, of) = found.unwrap_or((0, 0, 1));
        // Short columns stand in the middle.
        let gap = real(self.rows.saturating_sub(of)) * ROW / 2.0;
        (
            MARGIN + BOX_WIDTH / 2.0 + COLUMN * real(column),
            MARGIN + BOX_HEIGHT / 2.0 + gap + ROW * real(row),
        )
    }
}

/// The lines that lead back to a box one is still walking from.
fn backwards(count: usize, lines: &[(usize, usize)]) -> Vec<bool> {
    let mut back = vec![false; lines.len()];
    let mut done = vec![false; count];
    for start in 0..count {
        // The way here, and how many of its lines each box on it has walked.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        if done.get(start).copied().unwrap_or(true) {
            continue;
        }
        while let Some(&(at, walked)) = way.last() {
            let next = lines
                .iter()
                .enumerate()
                .filter(|(_, (from, _))| *from == at)
                .nth(walked);
            if let Some(top) = way.last_mut() {
                top.1 += 1;
            }
            match next {
                Some((line, &(_, to))) => {
                    if way.iter().any(|(on_it, _)| *on_it == to) {
                        if let Some(back) = back.get_mut(line) {
                            *back = true;
                        }
                    } else if !done.get(to).copied().unwrap_or(true) {
                        way.push((to, 0));
                    }
                }
                None => {
                    way.pop();
                    if let Some(done) = done.get_mut(at) {
                        *done = true;
                    }
                }
            }
        }
    }
    back
}

/// One column right of the last box that leads here.
fn columns(count: usize, lines: &[(usize, usize)], back: &[bool]) -> Vec<usize> {
    let mut column = vec![0usize; count];
    // Without lines that go back there is no circle, so this settles after as many rounds as there are columns.
    for _ in 0..count {
        let mut moved = false;
        for (&(from, to), &turned) in lines.iter().zip(back) {
            let (from, to) = if turned { (to, from) } else { (from, to) };
            if from == to {
                continue;
            }
            let least = column.get(from).map_or(0, |column| column + 1);
            if let Some(column) = column.get_mut(to)
                && *column < least
            {
                *column = least;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    column
}

fn draw_line(points: &[(f64, f64)], dashed: bool, label: &str, out: &mut String) {
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else {
        return;
    };
    if points.len() == 2 && first == last {
        return;
    }
    // Left to right it leaves on the right side and arrives on the left; a line back does the opposite.
    let side = if last.0 >= first.0 { 1.0 } else { -1.0 };
    let mut path = format!("M{:.0} {:.0}", first.0 + side * BOX_WIDTH / 2.0, first.1);
    let mut from = (first.0 + side * BOX_WIDTH / 2.0, first.1);
    for (nth, point) in points.iter().enumerate().skip(1) {
        let end = if nth + 1 == points.len() {
            (point.0 - side * BOX_WIDTH / 2.0, point.1)
        } else {
            *point
        };
        let middle = (from.0 + end.0) / 2.0;
        let _ = write!(
            path,
            " C{middle:.0} {:.0} {middle:.0} {:.0} {:.0} {:.0}",
            from.1, end.1, end.0, end.1
        );
        from = end;
    }
    let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"#555\"{dash} marker-end=\"url(#tip)\"/>"
    );
    if !label.is_empty() {
        // Where the line has parted from its neighbours, and before the next column.
        let next = points.get(1).copied().unwrap_or(last);
        let x = first.0 + side * (BOX_WIDTH / 2.0 + (COLUMN - BOX_WIDTH) * 0.62);
        let y = first.1 + (next.1 - first.1) * 0.72 - 4.0;
        let _ = writeln!(
            out,
            "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#222\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
            escaped(label)
        );
    }
}

fn draw_box((x, y): (f64, f64), name: &str, kind: Kind, fill: &str, out: &mut String) {
    let mut frame = |grow: f64, fill: &str, stroke: &str, width: f64| {
        let _ = writeln!(
            out,
            "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"8\" fill=\"{fill}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/>",
            x - BOX_WIDTH / 2.0 - grow,
            y - BOX_HEIGHT / 2.0 - grow,
            BOX_WIDTH + 2.0 * grow,
            BOX_HEIGHT + 2.0 * grow
        );
    };
    match kind {
        Kind::Directs => frame(0.0, fill, "#c00000", 3.0),
        Kind::Person => {
            frame(4.0, "none", "#555", 1.0);
            frame(0.0, fill, "#555", 1.0);
        }
        Kind::Message | Kind::Words => frame(0.0, fill, "#555", 1.0),
    }
    let lines = in_two_lines(name);
    let top = y + 4.0 - 7.0 * real(lines.len() - 1);
    for (nth, line) in lines.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            top + 14.0 * real(nth),
            escaped(line)
        );
    }
}

/// A long name in two lines, cut short where even that is not enough.
fn in_two_lines(name: &str) -> Vec<String> {
    if name.chars().count() <= LETTERS {
        return vec![name.to_owned()];
    }
    let mut lines = [String::new(), String::new()];
    let [first, second] = &mut lines;
    for word in name.split(' ') {
        let line = if second.is_empty() && first.chars().count() + word.chars().count() < LETTERS {
            &mut *first
        } else {
            &mut *second
        };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let short = |line: &str| {
        if line.chars().count() > LETTERS {
            format!("{}…", line.chars().take(LETTERS - 1).collect::<String>())
        } else {
            line.to_owned()
        }
    };
    lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| short(line))
        .collect()
}

fn draw_legend(top: f64, note: &str, out: &mut String) {
    let mut x = MARGIN;
    let worsts = LEVELS.into_iter().map(Some).chain([None]);
    for worst in worsts {
        let (fill, name) = colours(worst);
        let _ = writeln!(
            out,
            "<rect x=\"{x:.0}\" y=\"{top:.0}\" width=\"14\" height=\"14\" fill=\"{fill}\" stroke=\"#555\"/><text x=\"{:.0}\" y=\"{:.0}\">{name}</text>",
            x + 20.0,
            top + 11.0
        );
        x += 150.0;
    }
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{:.0}\">Red ring: told to call 911. Double ring: a person is rung. Dashed: nobody answered.</text>\n<text x=\"{MARGIN}\" y=\"{:.0}\">{}</text>",
        top + 32.0,
        top + 50.0,
        escaped(note)
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of boxes")]
fn real(count: usize) -> f64 {
    count as f64
}

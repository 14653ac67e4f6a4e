//! C001: an approval whose review is overdue.

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Place};
use crate::model::Approval;
use crate::parse::flow::FlowDraft;

pub(super) fn check(draft: &FlowDraft, today: Date, out: &mut Vec<Diagnostic>) {
    if let Some(at) = &draft.review_by {
        overdue(&draft.flow.approval, at, today, out);
    }
    for protocol in &draft.protocols {
        overdue(&protocol.protocol.approval, &protocol.review_by, today, out);
    }
}

fn overdue(approval: &Approval, at: &Place, today: Date, out: &mut Vec<Diagnostic>) {
    if approval.review_by < today {
        out.push(Diagnostic::error(
            "C001",
            at,
            format!("The clinical approval was to be reviewed by {}.", approval.review_by),
            "Callers would be sorted by rules that may be out of date.",
            format!("Have {} review the wording, then set a new day.", approval.by),
        ));
    }
}

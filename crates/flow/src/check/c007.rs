//! C007: changed since it was signed. A signature writes the fingerprint of what was read into the approval; without one
//! there is nothing to compare, and the release gate asks for it.

use crate::approval::approved_as;
use crate::diagnostic::{Diagnostic, Place};
use crate::parse::flow::FlowDraft;

pub(super) fn check(draft: &FlowDraft, out: &mut Vec<Diagnostic>) {
    compare(draft.signed.as_ref(), &draft.fingerprint, &draft.flow.approval.by, out);
    for protocol in &draft.protocols {
        let by = &protocol.protocol.approval.by;
        compare(protocol.signed.as_ref(), &protocol.fingerprint, by, out);
    }
}

fn compare(signed: Option<&(String, Place)>, is: &str, by: &str, out: &mut Vec<Diagnostic>) {
    if let Some((signed, at)) = signed
        && !approved_as(signed, is)
    {
        out.push(Diagnostic::error(
            "C007",
            at,
            format!("The words have changed since {by} signed them."),
            "Callers would hear, and be sorted by, words no clinician has read.",
            "Have the new words read and signed: `nightdesk flow sign`.",
        ));
    }
}

//! What a failure means for the link.
/// Retry, wait or block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// x
    Retry,
}

//! Drivers that break the contract on purpose, to show that the simulation notices.

use indwell_kernel::{MemoryOp, Outcome, Output, Plan, Token};

use crate::random::Random;

/// One mistake that a worker around the scheduler could make, or that the scheduler could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    DropsTruncate,
    DropsRelease,
    LosesSample,
    LosesForced,
    ForgesToken,
    SwapsTokens,
    ForgetsAnswer,
    ForgetsMu,
    DropsSave,
    DropsRestore,
    HidesRefusals,
    HidesPanic,
    CommitsFailedStep,
    ForgetsPause,
    ForgetsResume,
    ForgetsDeadline,
    LosesToken,
    LosesEnd,
    RepeatsEnd,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 19] = [
        Self::DropsTruncate,
        Self::DropsRelease,
        Self::LosesSample,
        Self::LosesForced,
        Self::ForgesToken,
        Self::SwapsTokens,
        Self::ForgetsAnswer,
        Self::ForgetsMu,
        Self::DropsSave,
        Self::DropsRestore,
        Self::HidesRefusals,
        Self::HidesPanic,
        Self::CommitsFailedStep,
        Self::ForgetsPause,
        Self::ForgetsResume,
        Self::ForgetsDeadline,
        Self::LosesToken,
        Self::LosesEnd,
        Self::RepeatsEnd,
    ];

    pub(crate) fn spoil_plan(self, plan: &mut Plan) {
        match self {
            Self::DropsTruncate => plan.ops.retain(|op| !matches!(op, MemoryOp::Truncate { .. })),
            Self::DropsRelease => plan.ops.retain(|op| !matches!(op, MemoryOp::Release { .. })),
            Self::DropsSave => plan.ops.retain(|op| !matches!(op, MemoryOp::Save { .. })),
            Self::DropsRestore => plan.ops.retain(|op| !matches!(op, MemoryOp::Restore { .. })),
            Self::ForgetsAnswer | Self::ForgetsMu => plan.ops.iter_mut().for_each(|op| {
                let MemoryOp::Open { answer, mu, .. } = op else { return };
                if self == Self::ForgetsMu {
                    *mu = None;
                } else {
                    answer.clear();
                }
            }),
            _ => {}
        }
    }

    pub(crate) fn spoil_outcome(self, outcome: &mut Outcome, random: &mut Random) {
        let samples = &mut outcome.samples;
        match self {
            Self::LosesSample if !samples.is_empty() => {
                samples.remove(random.index(samples.len()));
            }
            Self::LosesForced => {
                samples.iter_mut().for_each(|sample| {
                    sample.forced.pop();
                });
            }
            Self::ForgesToken if !samples.is_empty() => {
                let forged = random.index(samples.len());
                samples[forged].token = Token(samples[forged].token.0 ^ 1);
            }
            Self::SwapsTokens if samples.len() > 1 => {
                let first = samples[0].token;
                samples[0].token = samples[1].token;
                samples[1].token = first;
            }
            Self::HidesRefusals => outcome.refused.clear(),
            _ => {}
        }
    }

    pub(crate) fn spoil_outputs(self, outputs: &mut Vec<Output>) {
        let lost = |output: &Output| match self {
            Self::LosesToken => matches!(output, Output::Token { .. }),
            Self::LosesEnd => matches!(output, Output::Ended { .. }),
            _ => false,
        };
        outputs.retain(|output| !lost(output));
        if self == Self::RepeatsEnd
            && let Some(end) = outputs.iter().find(|o| matches!(o, Output::Ended { .. }))
        {
            outputs.push(end.clone());
        }
    }
}

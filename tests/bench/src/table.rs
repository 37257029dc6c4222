//! The table: every figure with its target, and what was measured beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// Less is better.
    AtMost(f64),
    /// More is better.
    AtLeast(f64),
    /// No more than this above another figure of the same run.
    AtMostAbove(&'static str, f64),
    /// This times another figure of the same run at most.
    AtMostTimes(&'static str, f64),
    /// It is there to be compared with.
    None,
}

/// One figure, measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    /// The name for `--only`.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) words: &'static str,
    /// `ms`, `MiB/s`.
    pub(crate) unit: &'static str,
    #[serde(skip)]
    pub(crate) target: Target,
    /// Medians by who was measured.
    pub(crate) medians: BTreeMap<String, f64>,
    /// Who could not be measured, and why.
    pub(crate) failures: BTreeMap<String, String>,
}

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Miss,
    Open,
}

/// The name under which our own figures stand.
pub(crate) const OURS: &str = "pilothouse";

/// All lines of a run.
pub(crate) struct Table(pub(crate) Vec<Line>);

impl Table {
    fn ours(&self, name: &str) -> Option<f64> {
        let line = self.0.iter().find(|line| line.name == name)?;
        line.medians.get(OURS).copied()
    }

    /// The number to reach, and the verdict.
    fn verdict(&self, line: &Line) -> (Option<String>, Verdict) {
        let most = match line.target {
            Target::None => return (None, Verdict::Open),
            Target::AtLeast(least) => {
                let verdict = match line.medians.get(OURS) {
                    Some(ours) if *ours >= least => Verdict::Pass,
                    Some(_) => Verdict::Miss,
                    None => Verdict::Open,
                };
                return (Some(format!(">= {}", number(least))), verdict);
            }
            Target::AtMost(most) => Some(most),
            Target::AtMostAbove(other, more) => self.ours(other).map(|other| other + more),
            Target::AtMostTimes(other, times) => self.ours(other).map(|other| other * times),
        };
        let Some(most) = most else { return (None, Verdict::Open) };
        let verdict = match line.medians.get(OURS) {
            Some(ours) if *ours <= most => Verdict::Pass,
            Some(_) => Verdict::Miss,
            None => Verdict::Open,
        };
        (Some(format!("<= {}", number(most))), verdict)
    }

    /// The table for people. Behind each of `others` stands how much better we are (`3.1x`) or worse (`0.8x`).
    pub(crate) fn text(&self, others: &[String]) -> String {
        let mut text = format!("{:<44} {:>10} {:>11}      ", "figure", OURS, "to reach");
        for other in others {
            let _to_memory = write!(text, " {other:>20}");
        }
        text.push('\n');
        for line in &self.0 {
            let (target, verdict) = self.verdict(line);
            let ours = line.medians.get(OURS).copied();
            let figure = format!("{} [{}]", line.words, line.unit);
            let shown = ours.map_or_else(|| "-".to_owned(), number);
            let target = target.unwrap_or_default();
            let verdict = match verdict {
                Verdict::Pass => "PASS",
                Verdict::Miss => "MISS",
                Verdict::Open => "",
            };
            let _to_memory = write!(text, "{figure:<44} {shown:>10} {target:>11} {verdict:<5}");
            for other in others {
                let theirs = line.medians.get(other).copied();
                let better = ours.zip(theirs).map(|(ours, theirs)| match line.target {
                    Target::AtLeast(_) => ours / theirs,
                    Target::AtMost(_)
                    | Target::AtMostAbove(..)
                    | Target::AtMostTimes(..)
                    | Target::None => theirs / ours,
                });
                let shown = theirs.map_or_else(|| "-".to_owned(), number);
                let ratio = better
                    .filter(|better| better.is_finite())
                    .map(|better| format!(" ({better:.2}x)"))
                    .unwrap_or_default();
                let _to_memory = write!(text, " {:>20}", shown + &ratio);
            }
            text.push('\n');
        }
        for line in &self.0 {
            for (who, why) in &line.failures {
                let _to_memory = writeln!(text, "{}: {who}: {why}", line.name);
            }
        }
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let lines = self.0.iter().map(|line| {
            let (target, verdict) = self.verdict(line);
            let mut value = serde_json::to_value(line).unwrap_or_default();
            if let Some(object) = value.as_object_mut() {
                object.insert("target".to_owned(), target.into());
                let verdict = match verdict {
                    Verdict::Pass => "pass".into(),
                    Verdict::Miss => "miss".into(),
                    Verdict::Open => serde_json::Value::Null,
                };
                object.insert("verdict".to_owned(), verdict);
            }
            value
        });
        lines.collect()
    }
}

/// The middle one of `figures`.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// Three digits that count.
fn number(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        1.0.. => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

#[test]
fn the_median_is_the_middle_one() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(Vec::new()), None);
}

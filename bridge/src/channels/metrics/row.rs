//! Rows: what a sample becomes on the wire, with differences to the sample before.

use std::collections::BTreeSet;
use std::time::Instant;

use protocol::json::Fields;
use serde_json::Value;

use super::catalog::{Group, Metric, Shape};
use super::sample::{Reading, Sample};
use crate::channel::Closed;

/// One figure of a channel.
#[derive(Debug)]
pub(super) struct Column {
    metric: &'static Metric,
    derive: Derive,
    /// Names of the instances in the order of the last meta message; of no use for single figures.
    instances: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Derive {
    /// The value itself.
    None,
    /// Change for each second.
    Rate,
    /// Change since the row before.
    Delta,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Whether a meta message must come first.
    pub(super) instances_changed: bool,
    /// One value for each column.
    pub(super) values: Vec<Value>,
}

/// The rows of one channel.
#[derive(Debug)]
pub(super) struct Series {
    columns: Vec<Column>,
    only: Option<Vec<String>>,
    omit: Vec<String>,
    before: Option<(Instant, Sample)>,
}

impl Column {
    /// A column with `metric`, derived as the page asks.
    pub(super) fn new(metric: &'static Metric, derive: Option<&str>) -> Result<Self, Closed> {
        let derive = match derive {
            None => Derive::None,
            Some("rate") => Derive::Rate,
            Some("delta") => Derive::Delta,
            Some(other) => {
                return Err(Closed::protocol_error(format!(
                    "derive {other:?} is not rate or delta"
                )));
            }
        };
        Ok(Self { metric, derive, instances: Vec::new() })
    }
}

impl Row {
    /// The rows with `columns`; of instances only some, or all but some.
    pub(super) fn series(
        columns: Vec<Column>,
        only: Option<Vec<String>>,
        omit: Vec<String>,
    ) -> Series {
        Series { columns, only, omit, before: None }
    }
}

impl Series {
    /// What must be read for these columns.
    pub(super) fn groups(&self) -> BTreeSet<Group> {
        self.columns
            .iter()
            .map(|column| column.metric.group)
            .collect()
    }

    /// The `metrics` of the meta message.
    pub(super) fn meta(&self) -> Vec<Value> {
        let describe = |column: &Column| {
            let semantics = match column.metric.semantics {
                super::catalog::Semantics::Instant => "instant",
                super::catalog::Semantics::Counter => "counter",
            };
            let mut meta = Fields::new();
            let mut say = |name: &str, value: Value| meta.insert(name.to_owned(), value);
            say("name", column.metric.name.into());
            say("units", column.metric.units.into());
            say("semantics", semantics.into());
            if column.metric.shape == Shape::Instanced {
                say("instances", column.instances.clone().into());
            }
            match column.derive {
                Derive::None => {}
                Derive::Rate => drop(say("derive", "rate".into())),
                Derive::Delta => drop(say("derive", "delta".into())),
            }
            Value::Object(meta)
        };
        self.columns.iter().map(describe).collect()
    }

    /// The row of `sample`.
    pub(super) fn next(&mut self, sample: Sample) -> Row {
        let now = Instant::now();
        let mut instances_changed = self.before.is_none();
        for column in &mut self.columns {
            let instances = instances(&sample, column.metric, self.only.as_deref(), &self.omit);
            instances_changed |= instances != column.instances;
            column.instances = instances;
        }
        let values = self
            .columns
            .iter()
            .map(|column| self.value(column, &sample, now))
            .collect();
        self.before = Some((now, sample));
        Row { instances_changed, values }
    }

    fn value(&self, column: &Column, sample: &Sample, now: Instant) -> Value {
        let name = column.metric.name;
        let before = self
            .before
            .as_ref()
            .map(|(at, before)| (*at, before.get(name)));
        let derived = |instance: Option<&str>| -> Value {
            let value = figure(sample.get(name), instance);
            let derived = match column.derive {
                Derive::None => value,
                Derive::Delta | Derive::Rate => before.and_then(|(at, before)| {
                    let change = value? - figure(before, instance)?;
                    match column.derive {
                        Derive::Rate => Some(change / (now - at).as_secs_f64()),
                        Derive::None | Derive::Delta => Some(change),
                    }
                }),
            };
            // A counter that went back was reset: there is no figure for this row.
            derived
                .filter(|value| value.is_finite())
                .map_or(Value::Bool(false), Value::from)
        };
        match column.metric.shape {
            Shape::Single => derived(None),
            Shape::Instanced => column
                .instances
                .iter()
                .map(|instance| derived(Some(instance)))
                .collect(),
        }
    }
}

fn instances(
    sample: &Sample,
    metric: &Metric,
    only: Option<&[String]>,
    omit: &[String],
) -> Vec<String> {
    let wanted =
        |name: &&String| only.is_none_or(|only| only.contains(name)) && !omit.contains(name);
    match sample.get(metric.name) {
        Some(Reading::Many(instances)) => instances.keys().filter(wanted).cloned().collect(),
        Some(Reading::One(_)) | None => Vec::new(),
    }
}

fn figure(reading: Option<&Reading>, instance: Option<&str>) -> Option<f64> {
    match (reading?, instance) {
        (Reading::One(value), None) => Some(*value),
        (Reading::Many(instances), Some(instance)) => instances.get(instance).copied(),
        (Reading::One(_), Some(_)) | (Reading::Many(_), None) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::catalog;
    use super::*;

    fn sample(name: &'static str, instances: &[(&str, f64)]) -> Sample {
        let many: BTreeMap<String, f64> = instances
            .iter()
            .map(|&(name, value)| (name.to_owned(), value))
            .collect();
        Sample::of(name, Reading::Many(many))
    }

    #[test]
    fn a_new_instance_asks_for_a_new_meta_message_and_has_no_rate_yet() {
        let metric = catalog::find("network.interface.rx").unwrap();
        let columns = vec![Column::new(metric, Some("delta")).unwrap()];
        let mut rows = Row::series(columns, None, vec!["lo".to_owned()]);

        let first = rows.next(sample(metric.name, &[("eth0", 10.0), ("lo", 1.0)]));
        assert!(first.instances_changed);
        assert_eq!(first.values, [json!([false])]);

        let second = rows.next(sample(metric.name, &[("eth0", 15.0), ("lo", 1.0)]));
        assert!(!second.instances_changed);
        assert_eq!(second.values, [json!([5.0])]);

        let third = rows.next(sample(metric.name, &[("eth0", 15.0), ("eth1", 7.0)]));
        assert!(third.instances_changed);
        assert_eq!(third.values, [json!([0.0, false])]);
        assert_eq!(rows.meta()[0]["instances"], json!(["eth0", "eth1"]));
    }
}

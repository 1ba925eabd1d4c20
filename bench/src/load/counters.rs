//! What does the server count?

use http::Method;

use crate::client::{Client, Failure};

/// The server's metrics at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counters(String);

impl Counters {
    /// Asks for them.
    ///
    /// **Errors**: as [`Client::send`].
    pub async fn read(client: &Client) -> Result<Self, Failure> {
        let metrics = client.send(Method::GET, "/metrics", "text/plain", "").await?;
        Ok(Self(String::from_utf8_lossy(&metrics).into_owned()))
    }

    /// Returns the sum of a metric over its labels.
    pub fn sum(&self, name: &str) -> f64 {
        self.values(name).sum()
    }

    /// Returns how many series a metric has.
    pub fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// Returns a histogram's counts of times up to each of its bounds, over the series that have
    /// this label.
    pub fn times(&self, name: &str, label: &str) -> Times {
        let mut times = Times::default();
        for line in self.0.lines() {
            let Some(rest) = line.strip_prefix(name).filter(|rest| rest.contains(label)) else {
                continue;
            };
            let Some(value) = line.rsplit(' ').next().and_then(|text| text.parse::<f64>().ok())
            else {
                continue;
            };
            if rest.starts_with("_sum{") {
                times.seconds += value;
            } else if rest.starts_with("_count{") {
                times.count += value;
            } else if let Some(bound) = bound(rest) {
                match times.up_to.iter_mut().find(|(known, _)| *known == bound) {
                    Some((_, count)) => *count += value,
                    None => times.up_to.push((bound, value)),
                }
            }
        }
        times
    }

    fn values(&self, name: &str) -> impl Iterator<Item = f64> {
        let of_name = move |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        self.0.lines().filter(of_name).filter_map(value)
    }
}

/// A histogram of times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// Sum of all, seconds.
    pub seconds: f64,
    /// How many.
    pub count: f64,
    /// How many took up to so many seconds, in growing order.
    up_to: Vec<(f64, f64)>,
}

impl Times {
    /// Returns what came after `before`.
    pub fn since(mut self, before: &Self) -> Self {
        self.seconds -= before.seconds;
        self.count -= before.count;
        for (bound, count) in &mut self.up_to {
            let same = before.up_to.iter().find(|(known, _)| known == bound);
            *count -= same.map_or(0.0, |(_, count)| *count);
        }
        self
    }

    /// Returns the mean, seconds.
    pub fn mean(&self) -> f64 {
        self.seconds / self.count.max(1.0)
    }

    /// Returns the smallest bound that this share of the times keeps, seconds.
    pub fn bound(&self, share: f64) -> f64 {
        let keeps = |(_, count): &&(f64, f64)| *count >= self.count * share;
        self.up_to.iter().find(keeps).map_or(f64::INFINITY, |(bound, _)| *bound)
    }
}

/// Returns the upper bound of a bucket's line.
fn bound(line: &str) -> Option<f64> {
    let (_, after) = line.strip_prefix("_bucket{")?.split_once("le=\"")?;
    after.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_told_from_those_whose_names_begin_alike() {
        let text =
            "# TYPE a gauge\na{shard=\"0\"} 1.5\na{shard=\"1\"} 2\na_max{shard=\"0\"} 9\nb 4\n";
        let counters = Counters(text.to_owned());
        assert_eq!((counters.sum("a"), counters.count("a")), (3.5, 2));
        assert_eq!((counters.sum("b"), counters.count("c")), (4.0, 0));
    }

    #[test]
    fn times_are_those_between_two_scrapes_of_one_label() {
        let scrape = |fast: u32, slow: u32| {
            let all = fast + slow;
            Counters(format!(
                "t_bucket{{kind=\"a\",le=\"0.1\"}} {fast}\nt_bucket{{kind=\"a\",le=\"1\"}} {all}\n\
                 t_bucket{{kind=\"a\",le=\"+Inf\"}} {all}\nt_bucket{{kind=\"b\",le=\"0.1\"}} 7\n\
                 t_sum{{kind=\"a\"}} {all}\nt_count{{kind=\"a\"}} {all}\n"
            ))
        };
        let (before, after) = (scrape(5, 0), scrape(104, 1));
        let times = after.times("t", "kind=\"a\"").since(&before.times("t", "kind=\"a\""));
        assert_eq!((times.count, times.mean()), (100.0, 1.0));
        assert_eq!((times.bound(0.99), times.bound(0.991)), (0.1, 1.0));
    }
}

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

    fn values(&self, name: &str) -> impl Iterator<Item = f64> {
        let of_name = move |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
        self.0.lines().filter(of_name).filter_map(value)
    }
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
}

//! Is text ranking as good as the plain model, and how fast is it?
//!
//! Reads Cranfield and compares nDCG@10 of the engine's text index, split over 1, 2 and 8 shards
//! whose statistics are summed, with the model's. Then times a generated collection. Fails when
//! the difference is above 0.01.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pieskieo_bench::data::cranfield::Cranfield;
use pieskieo_bench::model::rank::{Bm25, ndcg};
use pieskieo_io::time::now;
use pieskieo_shards::ids::{RecordId, Timestamp};
use pieskieo_shards::text::{TextIndex, TextNode, TextOptions, TextQuery, TextStats, terms};

/// Largest difference of nDCG@10 to the model that is accepted.
const DIFFERENCE_MAX: f64 = 0.01;
/// The snapshot everything is inserted and asked at.
const NOW: Timestamp = Timestamp(1);
/// Places that count.
const PLACES: usize = 10;
/// Distinct words of generated documents.
const VOCABULARY: f64 = 50_000.0;
/// Words of a generated document.
const WORDS: usize = 50;
/// Timed searches per kind of query.
const SEARCHES: usize = 200;

/// What may be asked for.
#[derive(Parser)]
struct Arguments {
    /// Folder of the Cranfield collection.
    #[arg(long, default_value = "../shared/data/cranfield")]
    data: PathBuf,
    /// Documents generated for timing; 0 leaves timing out.
    #[arg(long, default_value_t = 100_000)]
    documents: u32,
    /// Seed of the generated documents.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "quality: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let collection = Cranfield::open(&arguments.data)?;
    let mut good = true;
    writeln!(out, "Cranfield, {} documents, nDCG@{PLACES}:", collection.documents.len())?;
    for stem in [true, false] {
        let model = model_quality(&collection, stem);
        writeln!(out, "  stems {stem:5}  plain model  {:.5}", model.0)?;
        for shards in [1, 2, 8] {
            let (quality, orders) = index_quality(&collection, stem, shards);
            let difference = quality - model.0;
            let same = orders.iter().zip(&model.1).filter(|(a, b)| a == b).count();
            writeln!(
                out,
                "               {shards} shard(s)   {quality:.5}  difference {difference:+.5}, \
                 first {PLACES} equal for {same} of {} queries",
                orders.len()
            )?;
            good &= difference.abs() <= DIFFERENCE_MAX;
        }
    }
    if arguments.documents > 0 {
        time(arguments, out)?;
    }
    Ok(good)
}

/// Returns the mean nDCG and the first places of each query.
fn model_quality(collection: &Cranfield, stem: bool) -> (f64, Vec<Vec<u32>>) {
    let documents = collection.documents.iter().map(|document| {
        let mut words = terms(&document.title, stem);
        words.extend(terms(&document.body, stem));
        (document.id, words)
    });
    let model = Bm25::new(documents.collect());
    quality(collection, |query| model.search(&terms(query, stem)))
}

fn index_quality(collection: &Cranfield, stem: bool, count: usize) -> (f64, Vec<Vec<u32>>) {
    let options = TextOptions { fields: 2, stem, ..TextOptions::default() };
    let mut shards: Vec<_> = (0..count).map(|_| TextIndex::open(options.clone())).collect();
    for document in &collection.documents {
        let fields = [Some(document.title.as_str()), Some(document.body.as_str())];
        shards[document.id as usize % count].insert(RecordId(document.id), &fields, NOW);
    }
    for shard in &mut shards {
        while shard.fold(&mut || true) {}
    }
    quality(collection, |query| search(&shards, &bag_of_words(query, stem)))
}

fn quality(
    collection: &Cranfield,
    search: impl Fn(&str) -> Vec<(u32, f64)>,
) -> (f64, Vec<Vec<u32>>) {
    let mut gains = Vec::new();
    let mut orders = Vec::new();
    for (query, judgements) in collection.queries.iter().zip(&collection.judgements) {
        let order = search(query).into_iter().map(|(id, _)| id).take(PLACES).collect::<Vec<_>>();
        gains.extend(ndcg(&order, judgements, PLACES));
        orders.push(order);
    }
    (gains.iter().sum::<f64>() / gains.len().max(1) as f64, orders)
}

fn bag_of_words(text: &str, stem: bool) -> TextQuery {
    let node = TextNode::Any(terms(text, stem).into_iter().map(TextNode::Term).collect());
    TextQuery { source: text.to_owned(), node, fields: None }
}

/// Searches all shards with their summed statistics, as the coordinator does.
fn search(shards: &[TextIndex], query: &TextQuery) -> Vec<(u32, f64)> {
    let mut stats = TextStats::default();
    shards.iter().for_each(|shard| stats.add(&shard.stats(query, NOW)));
    let answers = shards.iter().map(|shard| shard.search(query, &stats, Some(PLACES), NOW, None));
    let mut hits: Vec<(u32, f64)> = answers
        .flat_map(|answer| answer.expect("only filters fail"))
        .map(|(record, score)| (record.0, score))
        .collect();
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    hits.truncate(PLACES);
    hits
}

/// Times loading and searching of generated documents on one core.
fn time(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let mut random = Words { state: arguments.seed };
    let texts: Vec<String> = (0..arguments.documents).map(|_| random.text(WORDS)).collect();
    let mut index = TextIndex::open(TextOptions::default());
    let start = now();
    for (record, text) in (0u32..).zip(&texts) {
        index.insert(RecordId(record), &[Some(text)], NOW);
    }
    let inserted = start.elapsed();
    let start = now();
    while index.fold(&mut || true) {}
    let folded = start.elapsed();
    let rate = f64::from(arguments.documents) / inserted.as_secs_f64();
    let bytes = index.memory_bytes() as f64 / f64::from(arguments.documents);
    writeln!(
        out,
        "\n{} generated documents of {WORDS} words, seed {}, one core:\n  \
         insert {rate:.0} documents/s, then fold {:.2} s, {bytes:.0} bytes a document",
        arguments.documents,
        arguments.seed,
        folded.as_secs_f64()
    )?;
    let index = [index];
    let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
    let mut queries = |make: &mut dyn FnMut(&mut Words) -> String| {
        (0..SEARCHES).map(|_| make(&mut random)).collect::<Vec<_>>()
    };
    kinds.push(("any of 3 words", queries(&mut |random| random.text(3))));
    kinds.push(("all of 2 words", queries(&mut |random| random.text(2).replace(' ', " AND "))));
    kinds.push(("phrase of 2", queries(&mut |random| format!("\"{}\"", random.text(2)))));
    kinds.push(("prefix", queries(&mut |random| format!("{}*", random.word()))));
    kinds.push(("fuzzy, 1 edit", queries(&mut |random| format!("{}~1", random.word()))));
    kinds.push(("3 commonest", vec!["w0 w1 w2".to_owned(); SEARCHES]));
    for (kind, queries) in kinds {
        let mut times: Vec<Duration> = queries
            .iter()
            .map(|query| {
                let query = TextQuery::parse(query, true).expect("generated queries are right");
                let start = now();
                search(&index, &query);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        writeln!(out, "  top {PLACES}, {kind:15} p50 {:7.3} ms   p99 {:7.3} ms", at(50), at(99))?;
    }
    Ok(())
}

/// Words whose frequency falls with their number, as in written language (Zipf's law).
struct Words {
    state: u64,
}

impl Words {
    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    /// The rank is the vocabulary's size to the power of a uniform number: the share of words
    /// below rank r is then log r / log size, which is Zipf's law with exponent 1.
    fn word(&mut self) -> String {
        let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        format!("w{}", VOCABULARY.powf(uniform) as u64 - 1)
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

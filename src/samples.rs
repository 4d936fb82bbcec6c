//! One of each: for tests that must not miss a variant which somebody adds later.

/// Samples of every variant of an enum: `pattern => [sample, …]` for each. A variant that is new does not compile
/// before it has a sample.
macro_rules! of_each {
    ($($pattern:pat => [$($sample:expr),+ $(,)?]),+ $(,)?) => {{
        let mut samples = Vec::new();
        $($({
            let sample = $sample;
            assert!(matches!(&sample, $pattern), "{sample:?} is a sample of something else");
            samples.push(sample);
        })+)+
        for sample in &samples {
            match sample {
                $($pattern => {})+
            }
        }
        samples
    }};
}
pub(crate) use of_each;

//! Reading a submission.

use std::hint::black_box;

use andera_lb::task::TaskRequest;
use bytes::Bytes;
use gungraun::prelude::*;
use instructions_bench::TIMES;

fn body(input: usize) -> Bytes {
    let numbers: Vec<String> = (0..input / 8).map(|number| format!("{:>7}", number * 7_919 % 1_000_003)).collect();
    format!(
        r#"{{"group":"video","function":"thumbnail","contract":1.5,"mode":"async","priority":3,"options":{{"attempts":2}},"input":[{}]}}"#,
        numbers.join(",")
    )
    .into()
}

#[library_benchmark]
#[bench::body_of_200_bytes(body(100))]
#[bench::body_of_10_kilobytes(body(10_000))]
fn request(body: Bytes) -> Bytes {
    for _ in 0..TIMES {
        black_box(TaskRequest::parse(black_box(body.clone())).expect("a submission"));
    }
    body
}

library_benchmark_group!(name = parse, benchmarks = request);

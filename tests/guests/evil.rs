//! What a ranker may do to do harm, in WebAssembly text for [`Guest::ranker`](super::guest::Guest::ranker).

pub const ENDLESS: &str = "(loop $forever (br $forever)) (unreachable)";
pub const RECURSION: &str = "(call $rank (local.get $args))";
pub const HOG: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)";
pub const HUGE: &str = "(call $list (i32.const 0) (i32.const 400000))";
pub const OUT_OF_RANGE: &str = "(call $rows (i32.const 2) (i32.const 2))";
pub const TWICE: &str = "(call $list (i32.const 0) (i32.const 2))";
/// An import of WASI, to be called as `$random`.
pub const WASI_PACKAGE: &str = "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }";
pub const WASI_IMPORT: &str = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
pub const WASI_NAME: &str = "wasi:random/random@0.2.0";
pub const WASI: &str = "(drop (call $random)) (i32.const 0)";
/// An import of something that is not there, to be called as `$open`.
pub const FOREIGN_PACKAGE: &str = "package evil:net@1.0.0; interface sockets { open: func() -> u32; }";
pub const FOREIGN_IMPORT: &str = r#"(import "evil:net/sockets@1.0.0" "open" (func $open (result i32)))"#;
pub const FOREIGN_NAME: &str = "evil:net/sockets@1.0.0";
/// A function that never ends, at the start.
pub const SLOW_START: &str = "(func $slow (loop $forever (br $forever))) (start $slow)";

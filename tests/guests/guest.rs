//! Small policies written in WebAssembly text, for tests: encoded by the same tools as those of users.
//!
//! What the text may use: `$alloc` (bytes), a memory of 2 MiB whose first 1 KiB is free for constants, and a heap that is emptied after
//! each `rank`, `prioritize` and `configure`.

use std::fmt::Write;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Names row 0 of the candidates.
pub const FIRST: &str = "(call $rows (i32.const 0) (i32.const 1))";

/// The text of a guest, put together.
#[derive(Clone, Default)]
pub struct Guest {
    interfaces: Vec<&'static str>,
    imports: Vec<&'static str>,
    /// WIT of further packages.
    packages: Vec<&'static str>,
    body: String,
}

impl Guest {
    /// One that ranks: `body` is an expression of type i32, the place of the answer, made by `$rows (first) (count)`. It may use `$args`.
    pub fn ranker(body: &str) -> Self {
        let mut guest = Self::default();
        guest.interfaces.push("ranking");
        guest.with(&format!(
            r#"(func $rank (export "andera:routing/ranking@1.0.0#rank") (param $args i32) (result i32) {body})
               (func (export "cabi_post_andera:routing/ranking@1.0.0#rank") (param i32) (call $empty))"#
        ))
    }

    /// The least loaded of the candidates comes first, and alone; among equals the one of the lowest row.
    pub fn least_loaded() -> Self {
        Self::ranker(
            "(local $row i32) (local $best i32) (local $load f64) (local $least f64)
             (if (i32.eqz (call $candidates (local.get $args)))
               (then (return (call $rows (i32.const 0) (i32.const 0)))))
             (local.set $least (f64.const inf))
             (loop $next
               (local.set $load (f64.div
                 (f64.add (f64.convert_i32_u (call $column (local.get $args) (i32.const 96) (local.get $row))) (f64.const 1))
                 (f64.convert_i32_u (call $column (local.get $args) (i32.const 88) (local.get $row)))))
               (if (f64.lt (local.get $load) (local.get $least))
                 (then (local.set $best (local.get $row)) (local.set $least (local.get $load))))
               (local.set $row (i32.add (local.get $row) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $row) (call $candidates (local.get $args)))))
             (call $rows (local.get $best) (i32.const 1))",
        )
    }

    /// Exports `priority` too: `body` is an expression of type i32, the place of the verdict. It may use `$args`.
    pub fn and_priority(mut self, body: &str) -> Self {
        self.interfaces.push("priority");
        self.with(&format!(
            r#"(func (export "andera:routing/priority@1.0.0#prioritize") (param $args i32) (result i32) {body})
               (func (export "cabi_post_andera:routing/priority@1.0.0#prioritize") (param i32) (call $empty))"#
        ))
    }

    /// Exports `feedback` too: `body` may use `$outcomes` and `$count`.
    pub fn and_feedback(mut self, body: &str) -> Self {
        self.interfaces.push("feedback");
        self.with(&format!(
            r#"(func (export "andera:routing/feedback@1.0.0#observe") (param $outcomes i32) (param $count i32)
                 {body} (call $empty))"#
        ))
    }

    /// Exports `setup` too: `configure` is an expression of type i32, the place of its answer (`$fine` is one), and may use `$json` and
    /// `$length`; `topology` may use `$workers`, and `$count` of them.
    pub fn and_setup(mut self, stateful: bool, configure: &str, topology: &str) -> Self {
        self.interfaces.push("setup");
        self.with(&format!(
            r#"(data (i32.const 64) "guest1.2")
               (func (export "andera:routing/setup@1.0.0#describe") (result i32) (local $at i32)
                 (local.set $at (call $alloc (i32.const 20)))
                 (i32.store (local.get $at) (i32.const 64))
                 (i32.store offset=4 (local.get $at) (i32.const 5))
                 (i32.store offset=8 (local.get $at) (i32.const 69))
                 (i32.store offset=12 (local.get $at) (i32.const 3))
                 (i32.store8 offset=16 (local.get $at) (i32.const {}))
                 (local.get $at))
               (func $fine (result i32) (call $alloc (i32.const 12)))
               (func (export "andera:routing/setup@1.0.0#configure") (param $json i32) (param $length i32) (result i32)
                 {configure})
               (func (export "cabi_post_andera:routing/setup@1.0.0#configure") (param i32) (call $empty))
               (func (export "andera:routing/setup@1.0.0#topology")
                 (param $workers i32) (param $count i32) (param i32 i32 i32 i32)
                 {topology} (call $empty))"#,
            u8::from(stateful)
        ))
    }

    /// Imports our log as `$log (level) (text) (length)`.
    pub fn and_log(mut self) -> Self {
        self.imports.push("andera:routing/log@1.0.0");
        self.first(r#"(import "andera:routing/log@1.0.0" "log" (func $log (param i32 i32 i32)))"#)
    }

    /// Imports an interface of another package, written in WIT and as an import of the module.
    pub fn and_import(mut self, interface: &'static str, package: &'static str, import: &str) -> Self {
        self.imports.push(interface);
        self.packages.push(package);
        self.first(import)
    }

    /// Adds fields to the module.
    pub fn with(mut self, fields: &str) -> Self {
        self.body.push_str(fields);
        self
    }

    fn first(mut self, fields: &str) -> Self {
        self.body.insert_str(0, fields);
        self
    }

    /// A core module that describes its component, as `cargo build --target wasm32-unknown-unknown` leaves it.
    pub fn module(&self) -> Vec<u8> {
        let text = format!(
            r#"(module {}
                 (memory (export "memory") 32)
                 (global $heap (mut i32) (i32.const 1024))
                 (func $empty (global.set $heap (i32.const 1024)))
                 (func $alloc (param $bytes i32) (result i32)
                   (call $realloc (i32.const 0) (i32.const 0) (i32.const 8) (local.get $bytes)))
                 (func $realloc (export "cabi_realloc") (param i32 i32) (param $align i32) (param $bytes i32) (result i32)
                   (local $at i32)
                   (local.set $at (i32.and
                     (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                     (i32.sub (i32.const 0) (local.get $align))))
                   (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
                   (memory.fill (local.get $at) (i32.const 0) (local.get $bytes))
                   (local.get $at))
                 ;; How many candidates there are.
                 (func $candidates (param $args i32) (result i32) (i32.load offset=84 (local.get $args)))
                 ;; The value of a row in the column at that place: 80 worker, 88 slots, 96 used, 104 in flight, and so on.
                 (func $column (param $args i32) (param $at i32) (param $row i32) (result i32)
                   (i32.load (i32.add (i32.load (i32.add (local.get $args) (local.get $at)))
                                      (i32.shl (local.get $row) (i32.const 2)))))
                 ;; An answer of `rank`: so many rows, from that one up.
                 (func $rows (param $first i32) (param $count i32) (result i32) (local $list i32) (local $at i32) (local $end i32)
                   (local.set $list (call $alloc (i32.shl (local.get $count) (i32.const 2))))
                   (local.set $at (local.get $list))
                   (local.set $end (i32.add (local.get $list) (i32.shl (local.get $count) (i32.const 2))))
                   (block $done (loop $next
                     (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                     (i32.store (local.get $at) (local.get $first))
                     (local.set $first (i32.add (local.get $first) (i32.const 1)))
                     (local.set $at (i32.add (local.get $at) (i32.const 4)))
                     (br $next)))
                   (call $list (local.get $list) (local.get $count)))
                 (func $list (param $list i32) (param $count i32) (result i32) (local $at i32)
                   (local.set $at (call $alloc (i32.const 8)))
                   (i32.store (local.get $at) (local.get $list))
                   (i32.store offset=4 (local.get $at) (local.get $count))
                   (local.get $at)))"#,
            imports_first(&self.body).0
        );
        let text = text.trim_end().strip_suffix(')').unwrap().to_owned() + &imports_first(&self.body).1 + ")";
        let mut module = wat::parse_str(text).unwrap();
        let (resolve, world) = self.world();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        ComponentEncoder::default().module(&self.module()).unwrap().encode().unwrap()
    }

    fn world(&self) -> (Resolve, wit_parser::WorldId) {
        let mut resolve = Resolve::default();
        resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("wit")).unwrap();
        for package in &self.packages {
            resolve.push_str("other.wit", package).unwrap();
        }
        let mut text = "package local:guest;\nworld guest {\n".to_owned();
        for import in &self.imports {
            writeln!(text, "import {import};").unwrap();
        }
        for interface in &self.interfaces {
            writeln!(text, "export andera:routing/{interface}@1.0.0;").unwrap();
        }
        let package = resolve.push_str("guest.wit", &(text + "}")).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        (resolve, world)
    }
}

/// Imports have to stand before everything else: the leading ones of a text, and the rest.
fn imports_first(body: &str) -> (String, String) {
    let mut imports = String::new();
    let mut rest = body;
    while rest.starts_with("(import") {
        let mut depth = 0;
        let end = rest.find(|character| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let (import, after) = rest.split_at(end.unwrap() + 1);
        imports += import;
        rest = after;
    }
    (imports, rest.to_owned())
}

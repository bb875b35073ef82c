//! What `make policies` built, read as the balancer reads it: with its version of `wit-component`.

use std::collections::BTreeSet;
use std::path::Path;

use wit_component::{ComponentEncoder, DecodedWasm};

/// What each sample exports beside `setup`.
const EXPORTS: &[(&str, &[&str])] =
    &[("latency-aware", &["feedback", "ranking"]), ("sticky", &["ranking"]), ("tenant-fair", &["priority", "ranking"])];

#[test]
fn samples_export_what_they_name_and_import_the_log_at_most() {
    // Set by `make policies`; there is nothing to look at without it.
    let Some(dist) = std::env::var_os("POLICIES_DIST") else { return };
    let name = |interface: &str| format!("andera:routing/{interface}@1.0.0");
    for (sample, expected) in EXPORTS {
        let module = std::fs::read(Path::new(&dist).join(format!("{sample}.wasm"))).unwrap();
        let component = ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap();
        let DecodedWasm::Component(resolve, world) = wit_component::decode(&component).unwrap() else {
            panic!("{sample} is a package");
        };
        let world = &resolve.worlds[world];
        let exports: BTreeSet<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
        let imports: Vec<String> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
        let expected: BTreeSet<String> = expected.iter().chain(&["setup"]).map(|interface| name(interface)).collect();
        assert_eq!(exports, expected, "{sample}");
        assert!(imports.iter().all(|import| *import == name("log")), "{sample}: {imports:?}");
    }
}

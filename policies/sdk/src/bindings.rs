//! What wit-bindgen makes of `wit/routing.wit`: a world for each interface, so that a policy exports only those it names.

#![expect(clippy::pedantic, reason = "generated; described in the WIT file")]

pub mod ranking {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "ranker",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "andera_policy::bindings::ranking",
        additional_derives: [PartialEq],
    });
}

pub mod priority {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "prioritizer",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "andera_policy::bindings::priority",
        additional_derives: [PartialEq],
    });
}

pub mod feedback {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "observer",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "andera_policy::bindings::feedback",
        additional_derives: [PartialEq],
    });
}

pub mod setup {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "configurable",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "andera_policy::bindings::setup",
        additional_derives: [PartialEq],
    });
}

//! The types and calls of `wit/routing.wit`, generated.

wasmtime::component::bindgen!({
    path: "wit",
    world: "policy",
    ownership: Borrowing { duplicate_if_necessary: false },
});

//! Prints the description of the API, as `tern openapi` does, without compiling any engine.

fn main() {
    print!("{}", tern_api::openapi_json());
}

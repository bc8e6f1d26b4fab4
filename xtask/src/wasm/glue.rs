//! The module's JavaScript, which wasm-bindgen makes for memory that is not shared, adapted to memory that may be.

use anyhow::{Result, ensure};

use super::threads::MEMORY;

/// What is replaced by what.
const CHANGES: [(&str, &str); 5] = [
    // Views of memory that has grown: shared memory is not detached.
    (
        "ArrayMemory0.byteLength === 0",
        "ArrayMemory0.buffer !== wasm.memory.buffer",
    ),
    // These take no views of shared memory.
    (
        "cachedTextDecoder.decode(bytes)",
        "cachedTextDecoder.decode(bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice())",
    ),
    ("if (!('encodeInto' in cachedTextEncoder)) {", "{"),
    (
        "globalThis.crypto.getRandomValues(getArrayU8FromWasm0(arg0, arg1))",
        "getArrayU8FromWasm0(arg0, arg1).set(globalThis.crypto.getRandomValues(new Uint8Array(arg1)))",
    ),
    (
        "const imports = __wbg_get_imports();",
        "const imports = { ...__wbg_get_imports(), NAME: threads };",
    ),
];

/// The JavaScript and its declarations; `pages` is what the form of the module with shared memory needs of it at first.
pub fn with_shared_memory(script: &str, declarations: &str, pages: u64) -> Result<[String; 2]> {
    let (module, memory) = MEMORY;
    let mut made = script.to_owned();
    for (from, to) in CHANGES {
        ensure!(
            made.contains(from),
            "the module's JavaScript has another form: `{from}` is not in it"
        );
        made = made.replace(from, &to.replace("NAME", module));
    }
    made.push_str(&format!(
        "\nlet threads = {{}};\n\
         export function shareMemory() {{\n    \
         const memory = new WebAssembly.Memory({{ initial: {pages}, maximum: 65536, shared: true }});\n    \
         threads = {{ {memory}: memory }};\n    \
         return memory;\n}}\n\
         export const loadedModule = () => wasmModule;\n"
    ));
    let declarations = format!(
        "{declarations}\n\
         /** Makes the shared memory that the form of the module with threads takes when it is loaded next. Fails where the browser has none. */\n\
         export function shareMemory(): WebAssembly.Memory;\n\
         /** The module that has been loaded. */\n\
         export function loadedModule(): WebAssembly.Module;\n"
    );
    Ok([made, declarations])
}

#[cfg(test)]
mod tests {
    use super::{CHANGES, with_shared_memory};

    #[test]
    fn every_change_is_made_or_missed() -> anyhow::Result<()> {
        let whole: String = CHANGES
            .iter()
            .map(|(from, _)| format!("{from}\n"))
            .collect();
        let [made, declarations] = with_shared_memory(&whole, "", 7)?;
        assert!(made.contains("initial: 7,") && made.contains("threads: threads }"));
        assert!(declarations.contains("shareMemory"));
        for (from, _) in CHANGES {
            assert!(with_shared_memory(&whole.replace(from, ""), "", 7).is_err());
        }
        Ok(())
    }
}

//! Writing the few pickles that weight files consist of.

/// Builds a pickle. Values are pushed on the unpickler's stack, calls pop their arguments.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Protocol 2 is what PyTorch writes; 3 has bytes.
    pub fn new(protocol: u8) -> Self {
        Self(vec![0x80, protocol])
    }

    /// The whole pickle.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }

    /// Opens a tuple, or the items of a dictionary.
    pub fn mark(&mut self) -> &mut Self {
        self.byte(b'(')
    }

    /// Closes a tuple.
    pub fn tuple(&mut self) -> &mut Self {
        self.byte(b't')
    }

    /// A tuple of numbers.
    pub fn sizes(&mut self, sizes: &[usize]) -> &mut Self {
        self.mark();
        for size in sizes {
            self.int(*size);
        }
        self.tuple()
    }

    /// An empty dictionary.
    pub fn dict(&mut self) -> &mut Self {
        self.byte(b'}')
    }

    /// Closes the items of a dictionary.
    pub fn items(&mut self) -> &mut Self {
        self.byte(b'u')
    }

    /// A function or class.
    pub fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.byte(b'c');
        for text in [module, name] {
            self.0.extend_from_slice(text.as_bytes());
            self.byte(b'\n');
        }
        self
    }

    /// Calls a function with a tuple.
    pub fn call(&mut self) -> &mut Self {
        self.byte(b'R')
    }

    /// Sets the state of an object.
    pub fn build(&mut self) -> &mut Self {
        self.byte(b'b')
    }

    /// A reference to something outside of the pickle.
    pub fn persistent(&mut self) -> &mut Self {
        self.byte(b'Q')
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.byte(if value { 0x88 } else { 0x89 })
    }

    /// `None`.
    pub fn none(&mut self) -> &mut Self {
        self.byte(b'N')
    }

    /// A number that is not negative.
    pub fn int(&mut self, value: usize) -> &mut Self {
        match i32::try_from(value) {
            Ok(value) => {
                self.byte(b'J');
                self.0.extend_from_slice(&value.to_le_bytes());
            }
            Err(_) => {
                // Nine bytes, so that the sign is positive.
                self.0.extend_from_slice(&[0x8a, 9]);
                self.0.extend_from_slice(&(value as u64).to_le_bytes());
                self.byte(0);
            }
        }
        self
    }

    /// Minus one, as numpy writes what a dtype lacks.
    pub fn minus_one(&mut self) -> &mut Self {
        self.byte(b'J');
        self.0.extend_from_slice(&(-1i32).to_le_bytes());
        self
    }

    /// Text of less than 4 GiB.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.sized(b'X', text.as_bytes())
    }

    /// Bytes of less than 4 GiB; from protocol 3 on.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.sized(b'B', bytes)
    }

    fn sized(&mut self, code: u8, bytes: &[u8]) -> &mut Self {
        // Callers have checked the size: names, and tensors that fit a file of 4 GiB.
        self.byte(code);
        self.0
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }
}

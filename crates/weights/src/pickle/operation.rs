//! The instructions of pickles, protocols 0 to 5.

macro_rules! operations {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// One instruction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation { $($name),* }

        impl Operation {
            /// By its byte; none for those that a weight file has no use for: the extension registry, buffers
            /// outside of the pickle, escaped text of protocol 0.
            pub fn of(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Operation::$name),)*
                    _ => None,
                }
            }
        }
    };
}

operations! {
    Mark = b'(', Stop = b'.', Pop = b'0', PopMark = b'1', Dup = b'2',
    Float = b'F', Int = b'I', BinInt = b'J', BinInt1 = b'K', Long = b'L', BinInt2 = b'M', None = b'N',
    PersId = b'P', BinPersId = b'Q', Reduce = b'R', String = b'S', BinString = b'T', ShortBinString = b'U',
    Unicode = b'V', BinUnicode = b'X', Append = b'a', Build = b'b', Global = b'c', Dict = b'd',
    EmptyDict = b'}', Appends = b'e', Get = b'g', BinGet = b'h', Inst = b'i', LongBinGet = b'j',
    List = b'l', EmptyList = b']', Obj = b'o', Put = b'p', BinPut = b'q', LongBinPut = b'r',
    SetItem = b's', Tuple = b't', EmptyTuple = b')', SetItems = b'u', BinFloat = b'G',
    Proto = 0x80, NewObj = 0x81, Tuple1 = 0x85, Tuple2 = 0x86, Tuple3 = 0x87, NewTrue = 0x88,
    NewFalse = 0x89, Long1 = 0x8a, Long4 = 0x8b, BinBytes = b'B', ShortBinBytes = b'C',
    ShortBinUnicode = 0x8c, BinUnicode8 = 0x8d, BinBytes8 = 0x8e, EmptySet = 0x8f, AddItems = 0x90,
    FrozenSet = 0x91, NewObjEx = 0x92, StackGlobal = 0x93, Memoize = 0x94, Frame = 0x95,
    ByteArray8 = 0x96,
}

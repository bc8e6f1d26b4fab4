//! The named tensors of a module, in a fixed order: for files, optimisers and EMAs.
//!
//! They work on any module of Burn. A name is the path of fields to a tensor, joined by dots; the variants of an enum, the list
//! of layers in a [`Head`](crate::Head) and the convolution in a [`ConvNorm`](crate::ConvNorm) have no part in it, so that names
//! are PyTorch's.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Whether a tensor is a buffer (a running statistic) rather than a parameter.
pub fn is_buffer(name: &str) -> bool {
    name.ends_with("running_mean") || name.ends_with("running_var")
}

/// The path to the current tensor; `None` for a step without a name.
#[derive(Default)]
struct Path(Vec<Option<String>>);

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        let inner = matches!(
            (container, name),
            ("Struct:Head", "layers") | ("Struct:ConvNorm", "conv")
        );
        let silent = inner || container.starts_with("Enum:");
        self.0.push((!silent).then(|| name.to_string()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    fn name(&self) -> String {
        let steps: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        steps.join(".")
    }
}

/// Reads every tensor of a module.
pub trait Visit {
    /// Called once per tensor, in the order of definition.
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>);
}

/// Replaces every tensor of a module.
pub trait Map {
    /// Called once per tensor, in the order of definition. Whether the tensor is trained stays as it was.
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D>;
}

/// Calls `visit` with every tensor of `module`.
pub fn visit<M: Module>(module: &M, visit: &mut impl Visit) {
    struct Visitor<'a, V>(&'a mut V, Path);
    impl<V: Visit> ModuleVisitor for Visitor<'_, V> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.1.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.1.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.tensor(&self.1.name(), param.val());
        }
    }
    module.visit(&mut Visitor(visit, Path::default()));
}

/// Replaces every tensor of `module` by the result of `map`, which becomes a new leaf of the graph.
pub fn map<M: Module>(module: M, map: &mut impl Map) -> M {
    struct Mapper<'a, F>(&'a mut F, Path);
    impl<F: Map> ModuleMapper for Mapper<'_, F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.1.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.1.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = self.1.name();
            let (id, tensor, mapper) = param.consume();
            let trained = tensor.is_require_grad();
            let next = self
                .0
                .tensor(&name, tensor)
                .detach()
                .set_require_grad(trained);
            Param::from_mapped_value(id, next, mapper)
        }
    }
    module.map(&mut Mapper(map, Path::default()))
}

/// Names and shapes of every tensor, in order.
pub fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Shapes(Vec<(String, Vec<usize>)>);
    impl Visit for Shapes {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            self.0.push((name.to_string(), tensor.dims().to_vec()));
        }
    }
    let mut shapes = Shapes(Vec::new());
    visit(module, &mut shapes);
    shapes.0
}

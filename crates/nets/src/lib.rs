//! Networks: layers, ResNets and heads, with the names and the initialisation of PyTorch.

"""One file a runtime: `version()`, and `load(path, shape)`.

`load` takes the path of a model, and the shape of its input, (N, H, W, C); N is 0 where it is
open. It gives a function from an input to outputs by name: `probabilities` [N, K], and `classes`
[N] where the runtime gives them.

An adapter imports its runtime, NumPy and its neighbours, nothing of digitline: it also runs in
Pythons that have no digitline, older ones too.
"""

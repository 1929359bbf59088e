"""The model in PyTorch: the same equations, the same parameters, and derivatives by autograd.

layers.py       a line for each layer
recurrent.py    those that read a sequence, by PyTorch's kernels or by a loop
losses.py       a line for each loss and regularizer
optimizers.py   each rule by PyTorch's own optimizer, with our names for its state; clipping
device.py       where it runs
program.py      all of it together, as engines/program.py promises
"""

# SPDX-License-Identifier: Apache-2.0
"""Every activation that hardware has, with parameters as models have them."""

EXAMPLES = {
    "identity": (),
    "relu": (),
    "clip": (0.0, 6.0),
    "leaky_relu": (0.01,),
    "hard_sigmoid": (0.2, 0.5),
    "sigmoid": (),
    "tanh": (),
    "gelu": (),
    "gelu_tanh": (),
    "swish": (1.0,),
    "softplus": (),
    "elu": (1.0,),
    "mish": (),
    "exponential": (1.0,),
    "hard_swish": (),
    "steps": (0.3, -8.0, 7.0),
}

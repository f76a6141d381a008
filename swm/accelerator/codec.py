# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses as plain data for JSON, and back with every field checked against its type."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["decode", "encode"]


def encode(value: Any) -> Any:
    """Plain data of a value made of dataclasses, tuples, mappings, numbers and text."""
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [encode(part) for part in value]
    if isinstance(value, Mapping):
        return {key: encode(part) for key, part in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def decode(hint: Any, data: Any) -> Any:
    """The value of type `hint` that `encode` made `data` of.

    Raises:
        ValueError: data of another type; a field that is missing, or one that is not known.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, data)
    if origin is Literal:
        return _expect(isinstance(data, str | int) and data in arguments, data)
    if origin is tuple:
        _expect(isinstance(data, list), data)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(decode(arguments[0], part) for part in data)
        return tuple(decode(part, entry) for part, entry in zip(arguments, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(data, dict), data)
        return {decode(arguments[0], key): decode(arguments[1], part) for key, part in data.items()}
    if is_dataclass(hint):
        hints, names = get_type_hints(hint), [field.name for field in fields(hint)]
        _expect(isinstance(data, dict) and set(data) == set(names), data)
        made: Any = hint
        return made(**{name: decode(hints[name], data[name]) for name in names})
    if hint is float:
        return float(_expect(isinstance(data, int | float) and not isinstance(data, bool), data))
    return _expect(type(data) is hint, data)


def _one_of(hints: tuple[Any, ...], data: Any) -> Any:
    for hint in hints:
        try:
            return None if hint is type(None) and data is None else decode(hint, data)
        except ValueError:
            continue
    raise ValueError(f"unexpected {data!r:.80}")


def _expect(right: bool, data: Any) -> Any:
    if not right:
        raise ValueError(f"unexpected {data!r:.80}")
    return data

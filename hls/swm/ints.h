// SPDX-License-Identifier: Apache-2.0
/// \file ints.h
/// \brief Lists of integers in configurations.
#pragma once

namespace swm {

/// A list of integers as a type.
template <int... Values>
struct ints {
  enum { count = sizeof...(Values) };
};

namespace detail {

/// Element I of a list.
template <int I, class List>
struct element;
template <int Head, int... Tail>
struct element<0, ints<Head, Tail...> > {
  enum { value = Head };
};
template <int I, int Head, int... Tail>
struct element<I, ints<Head, Tail...> > {
  enum { value = element<I - 1, ints<Tail...> >::value };
};

}  // namespace detail
}  // namespace swm

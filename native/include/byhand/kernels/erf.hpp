// The error function, a register full at a time.
#pragma once

#include <cmath>
#include <type_traits>

#include "byhand/array.hpp"

namespace byhand::kernels {

/// erf(x) = 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x.
///
/// In float a quotient of polynomials in x^2, times x, between -4 and 4, beyond which erf is 1 to the
/// last bit. The coefficients are those of Eigen's SpecialFunctions and of XLA; it is off by a few
/// units in the last place. In double the library's, number by number.
template <class T>
Eigen::Array<T, width<T>, 1> erf(const Eigen::Array<T, width<T>, 1>& x) {
  using Numbers = Eigen::Array<T, width<T>, 1>;
  if constexpr (std::is_same_v<T, float>) {
    const Numbers c = x.min(4.0f).max(-4.0f), s = c * c;
    Numbers p = s * -2.72614225801306e-10f + 2.77068142495902e-08f;
    p = p * s + -2.10102402082508e-06f;
    p = p * s + -5.69250639462346e-05f;
    p = p * s + -7.34990630326855e-04f;
    p = p * s + -2.95459980854025e-03f;
    p = p * s + -1.60960333262415e-02f;
    Numbers q = s * -1.45660718464996e-05f + -2.13374055278905e-04f;
    q = q * s + -1.68282697438203e-03f;
    q = q * s + -7.37332916720468e-03f;
    q = q * s + -1.42647390514189e-02f;
    return c * p / q;
  } else {
    return x.unaryExpr([](T one) { return std::erf(one); });
  }
}

}  // namespace byhand::kernels

// What the tests share. There is no framework, so that they need Eigen and nothing else.
#pragma once

#include <algorithm>
#include <cmath>
#include <exception>
#include <initializer_list>
#include <iostream>
#include <limits>

namespace byhand::check {

inline int failures = 0;

inline std::ostream& fail(const char* file, int line) {
  ++failures;
  return std::cerr << file << ':' << line << ": ";
}

/// False where either is not a number.
inline bool near(double a, double b, double relative) {
  return a == b || std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

/// |a - b| / max(|a|, |b|) of two matrices: 0 for equal ones, about 1 for unrelated ones.
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double squares_a = 0, squares_b = 0, squares = 0;
  // Number by number: an expression of Eigen's takes seconds to compile under the sanitizers.
  for (auto i = a.rows(); i-- > 0;) {
    for (auto j = a.cols(); j-- > 0;) {
      const double x = a(i, j), y = b(i, j);
      squares_a += x * x;
      squares_b += y * y;
      squares += (x - y) * (x - y);
    }
  }
  const double scale = std::max(squares_a, squares_b);
  return scale == 0 ? 0 : std::sqrt(squares / scale);
}

/// The body of main: 1 where a check failed, 0 otherwise.
inline int run(std::initializer_list<void (*)()> tests) {
  std::cerr.precision(std::numeric_limits<double>::max_digits10);
  for (const auto test : tests) {
    try {
      test();
    } catch (const std::exception& error) {
      ++failures;
      std::cerr << "a test threw: " << error.what() << '\n';
    }
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace byhand::check

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      byhand::check::fail(__FILE__, __LINE__) << "expected " << #condition << '\n'; \
    }                                                                               \
  } while (false)

#define CHECK_COMPARED(a, b, holds, relation)                                                     \
  do {                                                                                            \
    const auto& first = (a);                                                                      \
    const auto& second = (b);                                                                     \
    if (!(holds)) {                                                                               \
      byhand::check::fail(__FILE__, __LINE__) << "expected " << #a << relation << #b << ", found " \
                                              << first << " and " << second << '\n';              \
    }                                                                                             \
  } while (false)

#define CHECK_EQUAL(a, b) CHECK_COMPARED(a, b, first == second, " == ")
#define CHECK_BELOW(a, b) CHECK_COMPARED(a, b, first < second, " < ")
#define CHECK_NEAR(a, b, relative) \
  CHECK_COMPARED(a, b, byhand::check::near(first, second, relative), " near ")

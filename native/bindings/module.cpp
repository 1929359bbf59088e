// byhand.engines._native: the C++ engine, for src/byhand/engines/native.py.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>

#include "byhand/threads.hpp"

namespace nb = nanobind;

void bind_float32(nb::module_& module);
void bind_float64(nb::module_& module);

namespace {

/// The first instruction set that this file was compiled for and the processor lacks, or "".
std::string missing_instructions() {
#if defined(__GNUC__) && defined(__x86_64__)
  __builtin_cpu_init();
#ifdef __AVX512F__
  if (!__builtin_cpu_supports("avx512f")) return "AVX-512";
#endif
#ifdef __AVX2__
  if (!__builtin_cpu_supports("avx2")) return "AVX2";
#endif
#ifdef __FMA__
  if (!__builtin_cpu_supports("fma")) return "FMA";
#endif
#endif
  return "";
}

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

/// C = A B by plain Eigen, for benchmarks: what a general library makes of this machine.
nb::ndarray<nb::numpy, float> sgemm(Matrix a, Matrix b, int threads) {
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  if (a.shape(1) != b.shape(0) || threads < 1) throw std::invalid_argument("A and B do not fit");
  const auto m = static_cast<Eigen::Index>(a.shape(0)), k = static_cast<Eigen::Index>(a.shape(1)),
             n = static_cast<Eigen::Index>(b.shape(1));
  auto* c = new float[static_cast<std::size_t>(m * n)];
  nb::capsule owner(c, [](void* p) noexcept { delete[] static_cast<float*>(p); });
  const Eigen::Map<const Rows> A(a.data(), m, k), B(b.data(), k, n);
  {
    nb::gil_scoped_release released;
    byhand::Team team(threads);
    team.run(threads, true, [&](Eigen::Index part, int) {
      const Eigen::Index begin = m * part / threads, end = m * (part + 1) / threads;
      Eigen::Map<Rows>(c + begin * n, end - begin, n).noalias() = A.middleRows(begin, end - begin) * B;
    });
  }
  return nb::ndarray<nb::numpy, float>(c, {a.shape(0), b.shape(1)}, owner);
}

}  // namespace

NB_MODULE(_native, module) {
  if (const std::string missing = missing_instructions(); !missing.empty()) {
    throw nb::import_error(("it was compiled for a processor with " + missing + ", which this one lacks").c_str());
  }
  module.def("sgemm", &sgemm, nb::arg("a"), nb::arg("b"), nb::arg("threads"));
  bind_float32(module);
  bind_float64(module);
}

// Every optimizer of the registry, regularizers and clipping against their formulas, number by
// number.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "byhand/program.hpp"
#include "byhand/randomness.hpp"
#include "byhand/registry.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

const Settings kSettings = {{"momentum", 0.9}, {"decay", 0.95},   {"beta1", 0.9},
                            {"beta2", 0.99},   {"epsilon", 1e-8}, {"weight_decay", 0.1}};

/// A parameter that is one number, with what an optimizer keeps for it.
struct Scalar {
  double w, first = 0, second = 0;
  bool weight = true;
};

void sgd(Scalar& p, double dw, double eta, int) { p.w -= eta * dw; }

void momentum(Scalar& p, double dw, double eta, int) {
  p.first = 0.9 * p.first + dw;
  p.w -= eta * p.first;
}

void nesterov(Scalar& p, double dw, double eta, int) {
  p.first = 0.9 * p.first + dw;
  p.w -= eta * (dw + 0.9 * p.first);
}

void rmsprop(Scalar& p, double dw, double eta, int) {
  p.first = 0.95 * p.first + (1 - 0.95) * dw * dw;
  p.w -= eta * dw / (std::sqrt(p.first) + 1e-8);
}

void adam(Scalar& p, double dw, double eta, int t) {
  p.first = 0.9 * p.first + (1 - 0.9) * dw;
  p.second = 0.99 * p.second + (1 - 0.99) * dw * dw;
  const double m_hat = p.first / (1 - std::pow(0.9, t));
  const double s_hat = p.second / (1 - std::pow(0.99, t));
  p.w -= eta * m_hat / (std::sqrt(s_hat) + 1e-8);
}

void adamw(Scalar& p, double dw, double eta, int t) {
  if (p.weight) p.w -= eta * 0.1 * p.w;
  adam(p, dw, eta, t);
}

using Formula = void (*)(Scalar&, double dw, double eta, int t);
const std::map<std::string, Formula> kFormulas = {{"SGD", sgd},           {"Momentum", momentum},
                                                  {"Nesterov", nesterov}, {"RMSProp", rmsprop},
                                                  {"Adam", adam},         {"AdamW", adamw}};

template <class T>
Buffer<T> random(Index rows, Index columns, std::uint64_t seed) {
  Buffer<T> values(rows, columns);
  Philox generator = stream(seed, Purpose::parameters);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      values.all()(i, j) = static_cast<T>(2 * generator.uniform() - 1);
    }
  }
  return values;
}

template <class T>
Parameter<T> parameter(Index rows, Index columns, bool weight, int states) {
  Parameter<T> w{"w", weight, random<T>(rows, columns, 1)};
  for (int k = 0; k < states; ++k) w.state.emplace_back(rows, columns);
  return w;
}

/// Several steps of one optimizer; `change` is what becomes of a gradient before each of them.
template <class T>
void check_steps(const std::string& name, Optimizer<T>& optimizer, bool weight,
                 const std::function<double(double w, double dw)>& change) {
  constexpr Index rows = 3, columns = 21;
  Parameter<T> w = parameter<T>(rows, columns, weight, optimizer.states());
  std::vector<Scalar> expected;
  for (Index n = 0; n < rows * columns; ++n) {
    expected.push_back({.w = w.value.all()(n / columns, n % columns), .weight = weight});
  }
  for (int t = 1; t <= 6; ++t) {
    const double eta = 0.1 / t;
    const Buffer<T> dw = random<T>(rows, columns, static_cast<std::uint64_t>(10 + t));
    optimizer.begin(eta, static_cast<std::uint64_t>(t));
    optimizer.receive(w, 0, 0, constant(dw.all()));
    for (Index n = 0; n < rows * columns; ++n) {
      Scalar& p = expected[static_cast<std::size_t>(n)];
      kFormulas.at(name)(p, change(p.w, dw.all()(n / columns, n % columns)), eta, t);
    }
  }
  // A sum of six steps, each of a few roundings.
  double error = 0;
  for (Index n = 0; n < rows * columns; ++n) {
    const double found = w.value.all()(n / columns, n % columns);
    error = std::max(error, std::abs(found - expected[static_cast<std::size_t>(n)].w));
  }
  if (error <= 8 * std::numeric_limits<T>::epsilon()) return;
  check::fail(__FILE__, __LINE__) << name << (weight ? " of a weight" : " of a bias")
                                  << " is off by " << error << '\n';
}

template <class T>
void test_formulas() {
  for (const auto& [name, make_one] : optimizers<T>()) {
    if (!kFormulas.contains(name)) {
      check::fail(__FILE__, __LINE__) << "the formula of " << name << " is missing here\n";
      continue;
    }
    for (const bool weight : {true, false}) {
      check_steps<T>(name, *make_one(kSettings), weight, [](double, double dw) { return dw; });
    }
  }
}

void test_regularizer_and_limit_come_before_the_step() {
  using Kind = Regularizer<double>::Kind;
  for (const auto& [name, make_one] : optimizers<double>()) {
    for (const bool weight : {true, false}) {
      const auto optimizer = make_one(kSettings);
      optimizer->regularizer = {Kind::L2, 0.3};
      optimizer->limit = 0.5;
      check_steps<double>(name, *optimizer, weight, [&](double w, double dw) {
        return std::clamp(weight ? dw + 0.3 * w : dw, -0.5, 0.5);
      });
    }
  }
}

void test_blocks_are_the_whole() {
  // A gradient comes in blocks of a few rows and whole vectors, in any order.
  constexpr Index rows = 7, columns = 45, wide = kernels::tile_columns<double>;
  for (const auto& [name, make_one] : optimizers<double>()) {
    const auto optimizer = make_one(kSettings);
    Parameter<double> whole = parameter<double>(rows, columns, true, optimizer->states());
    Parameter<double> parts = parameter<double>(rows, columns, true, optimizer->states());
    const Buffer<double> dw = random<double>(rows, columns, 2);
    optimizer->begin(0.1, 1);
    optimizer->receive(whole, 0, 0, constant(dw.all()));
    for (Index i = rows - 1; i >= 0; i -= 2) {
      for (Index j = 0; j < columns; j += wide) {
        const Index first = std::max<Index>(i - 1, 0);
        optimizer->receive(parts, first, j,
                           {dw.data() + first * dw.stride() + j, i - first + 1,
                            std::min(wide, columns - j), Eigen::OuterStride<>(dw.stride())});
      }
    }
    CHECK(whole.value.all() == parts.value.all());
    for (std::size_t k = 0; k < whole.state.size(); ++k) {
      CHECK(whole.state[k].all() == parts.state[k].all());
    }
  }
}

void test_regularizers() {
  using Kind = Regularizer<double>::Kind;
  Buffer<double> w(1, 3), dw(1, 3);
  w.all() << -2, 0, 0.5;
  const auto gradient = [&](Regularizer<double> regularizer) {
    dw.all() << 1, 2, 3;
    auto flat_dw = flat(dw.all());
    regularizer.add_gradient(flat(constant(w.all())), flat_dw);
    return std::vector<double>(dw.data(), dw.data() + 3);
  };
  CHECK_EQUAL((Regularizer<double>{Kind::none, 0.5}.penalty(constant(w.all()))), 0);
  CHECK_EQUAL((Regularizer<double>{Kind::L2, 0.5}.penalty(constant(w.all()))), 0.25 * 4.25);
  CHECK_EQUAL((Regularizer<double>{Kind::L1, 0.5}.penalty(constant(w.all()))), 0.5 * 2.5);
  CHECK((gradient({Kind::none, 0.5}) == std::vector<double>{1, 2, 3}));
  CHECK((gradient({Kind::L2, 0.5}) == std::vector<double>{0, 2, 3.25}));
  CHECK((gradient({Kind::L1, 0.5}) == std::vector<double>{0.5, 2, 3.5}));
}

/// A small program with a batch to train it on.
struct Training {
  static constexpr Index batch = 5;

  Training(Regularizer<double> regularizer, Clipping clipping)
      : program(model(), {std::make_unique<SoftmaxCrossEntropy<double>>(),
                          make(optimizers<double>(), "SGD"), regularizer, clipping}),
        x(random<double>(1, batch * 4, 3)) {
    std::uint64_t seed = 20;
    for (auto* w : program.parameters()) {
      w->value = random<double>(w->value.rows(), w->value.columns(), ++seed);
    }
  }

  static Sequential<double> model() {
    std::vector<std::unique_ptr<Layer<double>>> layers;
    layers.push_back(std::make_unique<Dense<double>>(Settings{{"in", 4}, {"out", 6}}));
    layers.push_back(std::make_unique<Tanh<double>>(Settings{}));
    layers.push_back(std::make_unique<Dense<double>>(Settings{{"in", 6}, {"out", 3}}));
    return Sequential<double>(std::move(layers), Shape{4});
  }

  Examples<double> data() const { return {x.data(), labels, nullptr}; }

  void step(double rate) {
    double loss = 0;
    const std::int64_t order[] = {0, 1, 2, 3, 4};
    program.train(data(), order, batch, batch, 0, &rate, 1, &loss, [] { return true; });
  }

  /// Calls f(w, dw) for each number of each parameter; dw as gradients() left it.
  template <class Function>
  void for_each_number(Function&& f) {
    for (auto* p : program.parameters()) {
      for (Index i = 0; i < p->value.rows(); ++i) {
        for (Index j = 0; j < p->value.columns(); ++j) {
          f(p->value.all()(i, j), p->gradient.all()(i, j));
        }
      }
    }
  }

  Program<double> program;
  Buffer<double> x;
  std::int64_t labels[batch] = {0, 2, 1, 1, 0};
};

/// One step of the program against w - eta change(dw), dw with the regularizer's part.
void check_program(Regularizer<double> regularizer, Clipping clipping,
                   const std::function<double(double dw, double norm)>& change) {
  Training training(regularizer, clipping);
  training.program.gradients(training.data(), Training::batch, true, 0);
  double squares = 0;
  training.for_each_number([&](double, double dw) { squares += dw * dw; });
  std::vector<double> expected;
  training.for_each_number([&](double w, double dw) {
    expected.push_back(w - 0.7 * change(dw, std::sqrt(squares)));
  });
  training.step(0.7);
  double error = 0;
  auto next = expected.begin();
  training.for_each_number([&](double w, double) {
    error = std::max(error, std::abs(w - *next++));
  });
  CHECK_BELOW(error, 1e-14);
}

void test_clipping_in_a_program() {
  using Kind = Regularizer<double>::Kind;
  for (const Kind kind : {Kind::none, Kind::L2, Kind::L1}) {
    const Regularizer<double> regularizer{kind, 0.2};
    check_program(regularizer, {}, [](double dw, double) { return dw; });
    check_program(regularizer, {Clipping::Kind::value, 0.03},
                  [](double dw, double) { return std::clamp(dw, -0.03, 0.03); });
    for (const double limit : {0.1, 100.0}) {
      check_program(regularizer, {Clipping::Kind::global_norm, limit}, [&](double dw, double norm) {
        return norm > limit ? dw * limit / norm : dw;
      });
    }
  }
}

}  // namespace

int main() {
  return check::run({test_formulas<float>, test_formulas<double>,
                     test_regularizer_and_limit_come_before_the_step, test_blocks_are_the_whole,
                     test_regularizers, test_clipping_in_a_program});
}

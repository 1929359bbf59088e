// Every layer and every loss of the registry against central differences, in double precision.
//
// A new layer is found by itself. What it needs beside these settings is added to `settings`.
#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "byhand/randomness.hpp"
#include "byhand/registry.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

using Layers = std::vector<std::unique_ptr<Layer<double>>>;

constexpr double kStep = 6e-6;  // as in src/byhand/finite_differences.py
constexpr double kTolerance = 1e-7;

Settings settings(Index inputs, std::size_t place) {
  const auto in = static_cast<double>(inputs);
  return {{"in", in}, {"out", in + 1}, {"rate", 0.4}, {"place", static_cast<double>(place)}};
}

/// Layers of these kinds, each made for the outputs of the one before.
Layers stack(const std::vector<std::string>& kinds, Index inputs) {
  Layers all;
  for (const auto& kind : kinds) {
    all.push_back(make(layers<double>(), kind, settings(inputs, all.size())));
    inputs = all.back()->outputs(inputs);
  }
  return all;
}

void fill(View<double> values, double lowest, double highest, Philox& random) {
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) {
      values(i, j) = lowest + (highest - lowest) * random.uniform();
    }
  }
}

/// df/dw by central differences, for an f that reads w afresh at each call.
template <class Function>
Buffer<double> numerical_gradient(Function&& f, View<double> w) {
  Buffer<double> gradient(w.rows(), w.cols());
  for (Index i = 0; i < w.rows(); ++i) {
    for (Index j = 0; j < w.cols(); ++j) {
      const double kept = w(i, j), h = kStep * std::max(1.0, std::abs(kept));
      w(i, j) = kept + h;
      const double above = f();
      w(i, j) = kept - h;
      const double below = f();
      w(i, j) = kept;
      gradient.all()(i, j) = (above - below) / (2 * h);
    }
  }
  return gradient;
}

/// A model with random parameters between random inputs and the quadratic cost of random targets.
class Network : private Receiver<double> {
 public:
  Network(const std::vector<std::string>& kinds, Index inputs, Index batch, bool training)
      : model_(stack(kinds, inputs), inputs),
        products_(1, model_.widest()),
        pass_{products_, 5, 9, training, this},
        x_(batch, inputs),
        t_(batch, model_.outputs()) {
    Philox random = stream(3, Purpose::parameters);
    for (auto* w : model_.parameters()) {
      fill(w->value.all(), -1, 1, random);
      w->gradient = Buffer<double>(w->value.rows(), w->value.columns());
    }
    fill(x_.all(), -1, 1, random);
    fill(t_.all(), -1, 1, random);
    model_.reserve(batch + 2);
  }

  /// Checks dL/dw for each parameter: true where all are right.
  bool right() {
    loss();
    cost_.backward(constant(t_.all()), model_.dy(x_.rows()));
    model_.backward(x_.rows(), pass_);
    bool right = true;
    for (auto* w : model_.parameters()) {
      const auto numerical = numerical_gradient([this] { return loss(); }, w->value.all());
      right &= check::relative_error(w->gradient.all(), numerical.all()) < kTolerance;
    }
    return right;
  }

 private:
  double loss() {
    model_.x(x_.rows()) = x_.all();
    model_.forward(x_.rows(), pass_);
    return cost_.forward(constant(model_.y(x_.rows())), constant(t_.all()), model_.dy(x_.rows()));
  }

  void receive(Parameter<double>& w, Index i, Index j, ConstView<double> dw) override {
    const Index columns = std::min(dw.cols(), w.gradient.columns() - j);
    w.gradient.all().block(i, j, dw.rows(), columns) = dw.leftCols(columns);
  }

  Sequential<double> model_;
  QuadraticCost<double> cost_;
  Products<double> products_;
  Pass<double> pass_;
  Buffer<double> x_, t_;
};

void check_network(const std::vector<std::string>& kinds) {
  for (const bool training : {false, true}) {
    for (const Index batch : {1, 4}) {
      if (Network(kinds, 6, batch, training).right()) continue;
      auto& out = check::fail(__FILE__, __LINE__) << "wrong gradients of";
      for (const auto& kind : kinds) out << ' ' << kind;
      out << (training ? " in training" : " in evaluation") << ", batch " << batch << '\n';
    }
  }
}

void test_each_layer() {
  for (const auto& [kind, make_one] : layers<double>()) {
    check_network({kind});
    // The gradients of the Dense layer before it hold its dx.
    check_network({"Dense", kind});
    check_network({kind, "Dense"});
  }
}

void test_each_pair_of_layers() {
  // Neighbours share arrays where they can: no layer may overwrite what another still reads.
  for (const auto& [first, make_first] : layers<double>()) {
    for (const auto& [second, make_second] : layers<double>()) {
      check_network({"Dense", first, second, "Dense"});
    }
  }
}

void test_a_layer_refuses_other_inputs() {
  std::string found;
  try {
    Sequential<double> model(stack({"Dense"}, 6), 7);
  } catch (const std::invalid_argument& error) {
    found = error.what();
  }
  CHECK_EQUAL(found, "Dense: x and W differ in their axis in");
}

void check_loss(const std::string& kind, Loss<double>& loss, Index batch, Index outputs,
                bool one_hot) {
  Buffer<double> y(batch, outputs), t(batch, outputs), cache(batch, outputs);
  Philox random = stream(batch + 10 * outputs, Purpose::parameters);
  fill(y.all(), 0.1, 0.9, random);
  fill(t.all(), 0, 1, random);
  if (one_hot) {
    t.all().setZero();
    for (Index n = 0; n < batch; ++n) t.all()(n, (3 * n + 1) % outputs) = 1;
  }
  const auto f = [&] { return loss.forward(constant(y.all()), constant(t.all()), cache.all()); };
  const Buffer<double> numerical = numerical_gradient(f, y.all());
  f();
  loss.backward(constant(t.all()), cache.all());
  if (check::relative_error(cache.all(), numerical.all()) < kTolerance) return;
  check::fail(__FILE__, __LINE__) << "wrong derivative of " << kind << " for " << batch << " x "
                                  << outputs << (one_hot ? ", one-hot targets\n" : "\n");
}

void test_each_loss() {
  for (const auto& [kind, make_one] : losses<double>()) {
    const auto loss = make_one({});
    for (const Index batch : {1, 5}) {
      for (const Index outputs : {1, 3, 17}) {
        check_loss(kind, *loss, batch, outputs, false);
        check_loss(kind, *loss, batch, outputs, true);
      }
    }
  }
}

void test_unknown_parts() {
  std::string found;
  try {
    make(losses<double>(), "Hinge");
  } catch (const std::invalid_argument& error) {
    found = error.what();
  }
  CHECK(found.starts_with("no twin of Hinge is written in C++; there is QuadraticCost, Softmax"));
}

}  // namespace

int main() {
  return check::run({test_each_layer, test_each_pair_of_layers, test_a_layer_refuses_other_inputs,
                     test_each_loss, test_unknown_parts});
}

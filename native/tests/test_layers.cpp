// Every layer and every loss of the registry against central differences, in double precision.
//
// A new layer is found by itself. What it needs beside these settings is added to `settings`.
#include <algorithm>
#include <cmath>
#include <limits>
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

/// Twelve numbers as an image, which a layer over images needs behind a Dense.
class AsImage final : public Layer<double> {
 public:
  Shape output_shape(const Shape&) const override { return {2, 3, 2}; }
  bool in_place() const override { return true; }

  void forward(ConstView<double> x, View<double> y, Pass<double>&) override { y = x; }
  void backward(ConstView<double>, ConstView<double>, ConstView<double> dy, View<double> dx,
                Pass<double>&) override {
    if (dx.size() > 0) dx = dy;
  }
};

/// Twelve numbers as three steps of four, which a layer over sequences needs behind a Dense.
class AsSequence final : public Layer<double> {
 public:
  Shape output_shape(const Shape&) const override { return {3, 4}; }

  void forward(ConstView<double> x, View<double> y, Pass<double>&) override {
    for (Index t = 0; t < 3; ++t) y.middleRows(t * x.rows(), x.rows()) = x.middleCols(4 * t, 4);
  }
  void backward(ConstView<double>, ConstView<double>, ConstView<double> dy, View<double> dx,
                Pass<double>&) override {
    if (dx.size() == 0) return;
    for (Index t = 0; t < 3; ++t) dx.middleCols(4 * t, 4) = dy.middleRows(t * dx.rows(), dx.rows());
  }
};

constexpr Index kVocabulary = 4;

bool takes_images(const std::string& kind) { return kind.ends_with("2D"); }

bool takes_steps_of_pairs(const std::string& kind) {
  return kind == "SelfAttention" || kind == "SinusoidalPositions";
}

bool takes_rows(const std::string& kind) {
  return kind == "Dense" || kind == "Projection" || kind == "RMSNorm" || kind == "SwiGLU";
}

bool takes_sequences(const std::string& kind) {
  return kind == "RNN" || kind == "GRU" || kind == "LSTM" || kind == "Bidirectional" ||
         kind == "LastStep" || takes_steps_of_pairs(kind) || kind == "LearnedPositions";
}

/// The first layer of a model only: what comes before it would have no gradient.
bool takes_ids(const std::string& kind) { return kind == "Embedding" || kind == "OneHot"; }

/// Layers behind an Encoder.
bool looks_at_a_memory(const std::string& kind) {
  return kind == "Summary" || (kind.ends_with("Attention") && kind != "SelfAttention");
}

/// The shape of an example: two rows of ids, one, or numbers.
Shape example_of(const std::vector<std::string>& kinds) {
  if (kinds.front() == "Encoder") return {2, 3};
  return {takes_ids(kinds.front()) ? 3 : 12};
}

Settings settings(const Shape& x, std::size_t place) {
  const auto in = static_cast<double>(x.size() == 2 ? x[1] : x[0]);
  Settings all{{"in", in},      {"out", x.size() == 3 ? 4 : 12}, {"groups", 2}, {"rate", 0.4},
               {"momentum", 0.1}, {"epsilon", 1e-5}, {"place", static_cast<double>(place)},
               {"hidden", 3}, {"vocabulary", kVocabulary}, {"heads", 2}, {"kv_heads", 1},
               {"causal", 1}, {"positions", 5}};
  // Both variants of GELU, and keys that are turned or not, by the place.
  all["exact"] = all["rotary"] = static_cast<double>(place % 2);
  // Both variants of GRU, by the place.
  all["reset_after"] = static_cast<double>(place % 2);
  for (const auto& [name, value] : Settings(all)) {
    all["forward_" + name] = all["reverse_" + name] = value;
  }
  all["forward_LSTM"] = all["reverse_GRU"] = 1;
  all["width"] = all["query"] = all["annotation"] = static_cast<double>(x.back());
  all["bidirectional"] = static_cast<double>(place % 2);
  all["features"] = static_cast<double>(x.back());
  for (const std::string way : {"_height", "_width"}) {
    all["kernel" + way] = 2;
    all["stride" + way] = 1;
    all["padding" + way] = 1;
  }
  all["dilation_height"] = 2;
  all["dilation_width"] = 1;
  return all;
}

/// Layers of these kinds, each made for the output of the one before, for twelve inputs or three ids.
Layers stack(const std::vector<std::string>& kinds) {
  Layers all;
  Shape shape = example_of(kinds);
  const auto add = [&](std::unique_ptr<Layer<double>> layer) {
    all.push_back(std::move(layer));
    shape = all.back()->output_shape(shape);
  };
  const auto add_row_of_12 = [&] {
    if (shape.size() > 1) add(make(layers<double>(), "Flatten"));
    if (shape != Shape{12}) add(make(layers<double>(), "Dense", settings(shape, 0)));
  };
  for (const auto& kind : kinds) {
    if (kind == "Encoder") {
      Layers inside;
      inside.push_back(make(layers<double>(), "Embedding", settings({4}, 0)));
      add(make_block(kind, std::move(inside)));
      continue;
    }
    if (takes_images(kind) && shape.size() != 3) {
      add_row_of_12();
      add(std::make_unique<AsImage>());
    }
    const bool odd = takes_steps_of_pairs(kind) && shape.back() % 4 != 0;
    if (takes_sequences(kind) && (shape.size() != 2 || odd)) {
      add_row_of_12();
      add(std::make_unique<AsSequence>());
    }
    if (takes_rows(kind) && shape.size() == 3) add(make(layers<double>(), "Flatten"));
    if (kind == "BatchNorm" && shape.size() == 2) add(make(layers<double>(), "Flatten"));
    Settings chosen = settings(shape, all.size());
    if (kind == "BatchNorm") chosen["features"] = static_cast<double>(shape[0]);
    if (kinds.front() == "Encoder" && kind == "Embedding") chosen["features"] = 4;
    add(make(layers<double>(), kind, chosen));
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
  Network(const std::vector<std::string>& kinds, Index batch, bool training)
      : model_(stack(kinds), example_of(kinds)),
        products_(1, model_.widest()),
        pass_{products_, 5, 9, training, this},
        batch_(batch),
        x_(batch * places(model_.input()), columns(model_.input())),
        t_(batch * places(model_.output()), columns(model_.output())) {
    Philox random = stream(3, Purpose::parameters);
    for (auto* w : model_.parameters()) {
      w->each_run([&](Index, Index to, Index count) {
        // A running variance is above zero.
        fill(View<double>(w->value.data() + to, 1, count, Eigen::OuterStride<>(count)),
             w->trained ? -1 : 0.5, w->trained ? 1 : 1.5, random);
      });
      w->gradient = Buffer<double>(w->value.rows(), w->value.columns());
    }
    if (model_.reads_ids()) {
      fill(x_.all(), -1, kVocabulary, random);
      x_.all() = x_.all().array().floor();
    } else {
      fill(x_.all(), -1, 1, random);
    }
    fill(t_.all(), -1, 1, random);
    model_.reserve(batch + 2);
  }

  /// Checks dL/dw for each parameter: true where all are right.
  bool right() {
    // A difference of two losses is off by their rounding.
    const double rounding = std::abs(loss()) * std::numeric_limits<double>::epsilon() / kStep;
    cost_.backward(constant(t_.all()), t_.rows(), model_.dy(batch_));
    model_.backward(batch_, pass_);
    double squares = 0;
    for (auto* w : model_.parameters()) squares += w->gradient.all().squaredNorm();
    // A normalisation behind a parameter may undo all that it does: what is left of its gradient is
    // rounding, so none is measured by less than a thousandth of all gradients together.
    const double least = std::sqrt(squares) / 1000;
    bool right = true;
    for (auto* w : model_.parameters()) {
      if (!w->trained) continue;
      const auto numerical = numerical_gradient([this] { return loss(); }, w->value.all());
      const View<double> a = w->gradient.all(), b = numerical.all();
      const double noise = rounding * std::sqrt(static_cast<double>(a.size()));
      right &= (a - b).norm() < kTolerance * std::max({a.norm(), b.norm(), least}) + noise;
    }
    return right;
  }

 private:
  double loss() {
    model_.x(batch_) = x_.all();
    for (std::size_t k = 0; k < model_.size(); ++k) model_.layer(k).start(nullptr, batch_);
    model_.forward(batch_, pass_);
    return cost_.forward(constant(model_.y(batch_)), constant(t_.all()), t_.rows(),
                         model_.dy(batch_));
  }

  void receive(Parameter<double>& w, Index i, Index j, ConstView<double> dw) override {
    const Index columns = std::min(dw.cols(), w.gradient.columns() - j);
    w.gradient.all().block(i, j, dw.rows(), columns) = dw.leftCols(columns);
  }

  Sequential<double> model_;
  QuadraticCost<double> cost_;
  Products<double> products_;
  Pass<double> pass_;
  Index batch_;
  Buffer<double> x_, t_;
};

void check_network(const std::vector<std::string>& kinds) {
  for (const bool training : {false, true}) {
    for (const Index batch : {1, 4}) {
      // The values of a single example have no variance.
      if (training && batch == 1 && std::ranges::count(kinds, "BatchNorm") > 0) continue;
      if (Network(kinds, batch, training).right()) continue;
      auto& out = check::fail(__FILE__, __LINE__) << "wrong gradients of";
      for (const auto& kind : kinds) out << ' ' << kind;
      out << (training ? " in training" : " in evaluation") << ", batch " << batch << '\n';
    }
  }
}

void test_each_layer() {
  for (const auto& [kind, make_one] : layers<double>()) {
    if (looks_at_a_memory(kind)) continue;
    check_network({kind});
    // The gradients of the Dense layer before it hold its dx.
    if (!takes_ids(kind)) check_network({"Dense", kind});
    check_network({kind, "Dense"});
  }
}

void test_each_layer_that_looks_at_a_memory() {
  for (const auto& [first, make_first] : layers<double>()) {
    if (!looks_at_a_memory(first)) continue;
    check_network({"Encoder", "Embedding", first});
    // What two of them say of the memory adds up.
    for (const auto& [second, make_second] : layers<double>()) {
      if (looks_at_a_memory(second)) check_network({"Encoder", "Embedding", first, second, "Dense"});
    }
  }
}

void test_each_pair_of_layers() {
  // Neighbours share arrays where they can: no layer may overwrite what another still reads.
  for (const auto& [first, make_first] : layers<double>()) {
    for (const auto& [second, make_second] : layers<double>()) {
      if (takes_ids(second) || looks_at_a_memory(first) || looks_at_a_memory(second)) continue;
      if (takes_ids(first)) {
        check_network({first, second, "Dense"});
      } else {
        check_network({"Dense", first, second, "Dense"});
      }
    }
  }
}

void test_a_layer_refuses_other_inputs() {
  std::string found;
  try {
    Sequential<double> model(stack({"Dense"}), Shape{7});
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
  const Index asked = batch + 2;  // any number will do for the mean
  const auto f = [&] {
    return loss.forward(constant(y.all()), constant(t.all()), asked, cache.all());
  };
  const Buffer<double> numerical = numerical_gradient(f, y.all());
  f();
  loss.backward(constant(t.all()), asked, cache.all());
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
  return check::run({test_each_layer, test_each_layer_that_looks_at_a_memory, test_each_pair_of_layers,
                     test_a_layer_refuses_other_inputs, test_each_loss, test_unknown_parts});
}

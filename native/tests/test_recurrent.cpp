// Recurrent layers: how their parameters lie, their products against plain Eigen, states, padding and
// threads. Their derivatives are in test_layers.cpp.
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "byhand/program.hpp"
#include "byhand/registry.hpp"
#include "arrays.hpp"
#include "check.hpp"

using namespace byhand;

namespace {

constexpr Index kIn = 5, kTime = 6, kBatch = 3;
constexpr Index kHidden[] = {1, 11, 16, 35};  // less than a block, with a part of one, and whole ones

/// A parameter whose elements count 1, 2, ... in the order of its matrix.
template <class T>
Parameter<T> counting(Index rows, Index gates, Index units) {
  const Index blocks = (units + width<T> - 1) / width<T>;
  Parameter<T> w{"W", true, Buffer<T>(blocks * rows, gates * width<T>)};
  w.gates = gates;
  w.units = units;
  w.each_run([&](Index at, Index to, Index count) {
    std::iota(w.value.data() + to, w.value.data() + to + count, static_cast<T>(at + 1));
  });
  return w;
}

template <class T>
void test_every_element_has_its_place() {
  for (const Index units : kHidden) {
    const Parameter<T> w = counting<T>(kIn, 3, units);
    CHECK_EQUAL(w.rows(), kIn);
    CHECK_EQUAL(w.columns(), 3 * units);
    for (Index r = 0; r < kIn; ++r) {
      for (Index gate = 0; gate < 3; ++gate) {
        for (Index unit = 0; unit < units; ++unit) {
          const Index block = unit / width<T>, lane = unit % width<T>;
          CHECK_EQUAL(w.value.all()(block * kIn + r, gate * width<T> + lane),
                      static_cast<T>(r * 3 * units + gate * units + unit + 1));
        }
      }
    }
    // All others are 0.
    const auto n = static_cast<double>(kIn * 3 * units);
    CHECK_EQUAL(static_cast<double>(w.value.all().sum()), n * (n + 1) / 2);
  }
}

/// c + a W^T, for gates from `first` on, by plain Eigen.
template <class T>
void test_transposed_product() {
  for (const Index units : kHidden) {
    for (const Index rows : {1, 7, 16, 40}) {
      for (const Index first : {0, 1}) {
        const Parameter<T> w = counting<T>(rows, 3, units);
        const Index blocks = w.value.rows() / rows, gates = 3 - first;
        for (const Index batch : {1, 7, 13}) {
          const Buffer<T> a = random<T>(blocks * batch, 3 * width<T>, 1);
          Buffer<T> c(batch, rows);
          c.all().setOnes();
          kernels::TransposedBlocks<T> back(rows, blocks, gates);
          back.pack(view(w.value), first);
          for (Index panel = 0; panel < back.panels(); ++panel) {
            back.multiply_add(a.data() + first * width<T>, a.stride(), batch * a.stride(), panel, c.all());
          }
          Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> plain(batch, rows);
          plain.setOnes();
          for (Index block = 0; block < blocks; ++block) {
            plain += a.all().block(block * batch, first * width<T>, batch, gates * width<T>) *
                     w.value.all().block(block * rows, first * width<T>, rows, gates * width<T>).transpose();
          }
          CHECK_BELOW(check::relative_error(c.all(), plain), 100 * std::numeric_limits<T>::epsilon());
        }
      }
    }
  }
}

/// Layers over ids below 7 with random parameters, and labels below 4 at each step.
template <class T>
Program<T> program(const std::string& kind, Index hidden, int threads, Index time, bool carry = false) {
  Settings s{{"vocabulary", 7}, {"features", kIn}, {"in", kIn}, {"out", 4},
             {"reset_after", kind == "GRU before" ? 0 : 1}};
  const std::string name = kind.substr(0, kind.find(' '));
  const auto h = s["hidden"] = static_cast<double>(hidden);
  std::vector<std::unique_ptr<Layer<T>>> all;
  for (const auto* each : {"Embedding", name.c_str(), name.c_str(), "Dense"}) {
    all.push_back(make(layers<T>(), each, s));
    if (each == name) s["in"] = h;
  }
  Sequential<T> model(std::move(all), Shape{time});
  Philox random = stream(7, Purpose::parameters);
  for (auto* w : model.parameters()) {
    w->each_run([&](Index, Index to, Index count) {
      for (Index k = to; k < to + count; ++k) {
        w->value.data()[k] = static_cast<T>(random.uniform() - 0.5);
      }
    });
  }
  return Program<T>(std::move(model), Recipe<T>{std::make_unique<SoftmaxCrossEntropy<T>>(),
                                                std::make_unique<Descent<T, SGD<T>>>(Settings{}),
                                                {}, {}, 0, threads, carry});
}

const std::string kKinds[] = {"RNN", "GRU after", "GRU before", "LSTM"};

template <class T>
struct Text {
  explicit Text(Index batch, Index time = kTime)
      : ids(static_cast<std::size_t>(batch * time)), labels(ids.size()) {
    for (std::size_t k = 0; k < ids.size(); ++k) {
      ids[k] = static_cast<T>((3 * k + k / 5) % 7);
      labels[k] = static_cast<std::int64_t>((5 * k + k / 3) % 4);
    }
  }
  Examples<T> examples() const { return {ids.data(), labels.data(), nullptr}; }

  std::vector<T> ids;
  std::vector<std::int64_t> labels;
};

bool always() { return true; }

void test_pieces_are_the_whole() {
  const Text<double> text(kBatch);
  for (const auto& kind : kKinds) {
    auto whole = program<double>(kind, 11, 1, kTime);
    std::vector<double> expected(kBatch * kTime * 4), found(expected.size());
    whole.predict(text.ids.data(), kBatch, expected.data());
    auto one = program<double>(kind, 11, 1, 1);
    const std::size_t size = kBatch * 11 * (kind == "LSTM" ? 2 : 1);
    std::vector<double> states[2] = {std::vector<double>(size), std::vector<double>(size)};
    double* to[2] = {states[0].data(), states[1].data()};
    const double* from[2] = {nullptr, nullptr};
    for (Index t = 0; t < kTime; ++t) {
      std::vector<double> ids(kBatch), y(kBatch * 4);
      for (Index n = 0; n < kBatch; ++n) ids[n] = text.ids[n * kTime + t];
      one.predict_from(ids.data(), kBatch, {{from[0], to[0], 0, 0}, {from[1], to[1], 0, 0}}, y.data());
      std::copy_n(to, 2, from);
      for (Index n = 0; n < kBatch; ++n) {
        for (Index k = 0; k < 4; ++k) CHECK_NEAR(y[n * 4 + k], expected[(n * kTime + t) * 4 + k], 1e-12);
      }
    }
  }
}

void test_padding_changes_nothing() {
  Text<double> padded(kBatch);
  for (Index t = 2; t < kTime; ++t) padded.ids[t] = padded.labels[t] = -1;
  for (const auto& kind : kKinds) {
    auto all = program<double>(kind, 11, 1, kTime), alone = program<double>(kind, 11, 1, 2);
    const double loss = all.evaluate(padded.examples(), kBatch, 0, always).loss;
    const double short_one = alone.evaluate(padded.examples(), 1, 0, always).loss;
    const Examples<double> rest{padded.ids.data() + kTime, padded.labels.data() + kTime, nullptr};
    const double others = all.evaluate(rest, kBatch - 1, 0, always).loss;
    CHECK_NEAR(loss, (2 * short_one + kTime * (kBatch - 1) * others) / (2 + kTime * (kBatch - 1)), 1e-12);
  }
}

/// The parameters after some steps on one stream of text, in as many windows.
template <class T>
std::vector<T> trained(const std::string& kind, Index hidden, Index batch, int threads) {
  auto one = program<T>(kind, hidden, threads, kTime, true);
  const Text<T> text(3 * batch);
  std::vector<std::int64_t> order(3 * batch);
  std::iota(order.begin(), order.end(), 0);
  const double rates[] = {0.1, 0.1, 0.1};
  double losses[3];
  one.train(text.examples(), order.data(), 3 * batch, batch, 0, rates, 3, losses, always);
  std::vector<T> all(losses, losses + 3);
  for (const auto* w : one.parameters()) {
    all.insert(all.end(), w->value.data(), w->value.data() + w->value.rows() * w->value.stride());
  }
  return all;
}

template <class T>
void test_threads_change_no_bit() {
  for (const auto& kind : kKinds) {
    // Of so many examples the threads share every step, and all products.
    const Index hidden = 67, batch = 130;
    CHECK(batch * hidden * hidden >= Products<T>::kSharedWork / 8);
    const auto expected = trained<T>(kind, hidden, batch, 1);
    for (const int threads : {2, 3}) CHECK(trained<T>(kind, hidden, batch, threads) == expected);
  }
}

}  // namespace

int main() {
  return check::run({test_every_element_has_its_place<float>, test_every_element_has_its_place<double>,
                     test_transposed_product<float>, test_transposed_product<double>,
                     test_pieces_are_the_whole, test_padding_changes_nothing,
                     test_threads_change_no_bit<float>, test_threads_change_no_bit<double>});
}

// From gradients to steps. The Python twin is src/byhand/optimizers.py.
//
// w is a parameter, dw its gradient, eta the learning rate, t = 1, 2, ... the step. A rule is
// written for one vector of numbers: update(w, dw, state) with the running quantities in `state`.
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include "byhand/layers/layer.hpp"
#include "byhand/regularizers.hpp"

namespace byhand {

/// The running quantities of one vector of parameters.
template <class T>
using States = Lane<T>*;

/// w <- w - eta dw
template <class T>
struct SGD {
  static constexpr int states = 0;
  explicit SGD(const Settings&) {}

  void begin(double rate, std::uint64_t) { eta = static_cast<T>(rate); }

  template <class Gradient>
  void update(Lane<T>& w, const Gradient& dw, States<T>) const {
    w -= eta * dw;
  }

  T eta = 0;
};

/// v <- mu v + dw     w <- w - eta v
template <class T>
struct Momentum {
  static constexpr int states = 1;
  explicit Momentum(const Settings& s) : mu(static_cast<T>(setting(s, "momentum"))) {}

  void begin(double rate, std::uint64_t) { eta = static_cast<T>(rate); }

  template <class Gradient>
  void update(Lane<T>& w, const Gradient& dw, States<T> state) const {
    Lane<T>& v = state[0];
    v = mu * v + dw;
    w -= eta * v;
  }

  T mu, eta = 0;
};

/// v <- mu v + dw     w <- w - eta (dw + mu v)
template <class T>
struct Nesterov {
  static constexpr int states = 1;
  explicit Nesterov(const Settings& s) : mu(static_cast<T>(setting(s, "momentum"))) {}

  void begin(double rate, std::uint64_t) { eta = static_cast<T>(rate); }

  template <class Gradient>
  void update(Lane<T>& w, const Gradient& dw, States<T> state) const {
    Lane<T>& v = state[0];
    v = mu * v + dw;
    w -= eta * (dw + mu * v);
  }

  T mu, eta = 0;
};

/// s <- rho s + (1 - rho) dw^2     w <- w - eta dw / (sqrt(s) + epsilon)
template <class T>
struct RMSProp {
  static constexpr int states = 1;
  explicit RMSProp(const Settings& s)
      : rho(static_cast<T>(setting(s, "decay"))),
        rest(static_cast<T>(1 - setting(s, "decay"))),
        epsilon(static_cast<T>(setting(s, "epsilon"))) {}

  void begin(double rate, std::uint64_t) { eta = static_cast<T>(rate); }

  template <class Gradient>
  void update(Lane<T>& w, const Gradient& dw, States<T> state) const {
    Lane<T>& s = state[0];
    s = rho * s + rest * dw * dw;
    w -= eta * dw / (s.sqrt() + epsilon);
  }

  T rho, rest, epsilon, eta = 0;
};

/// m <- beta1 m + (1 - beta1) dw      m^ = m / (1 - beta1^t)
/// s <- beta2 s + (1 - beta2) dw^2    s^ = s / (1 - beta2^t)
/// w <- w - eta m^ / (sqrt(s^) + epsilon)
template <class T>
struct Adam {
  static constexpr int states = 2;
  explicit Adam(const Settings& settings)
      : b1(setting(settings, "beta1")),
        b2(setting(settings, "beta2")),
        beta1(static_cast<T>(b1)),
        rest1(static_cast<T>(1 - b1)),
        beta2(static_cast<T>(b2)),
        rest2(static_cast<T>(1 - b2)),
        epsilon(static_cast<T>(setting(settings, "epsilon"))) {}

  void begin(double rate, std::uint64_t t) {
    eta = static_cast<T>(rate);
    correction1 = static_cast<T>(1 - std::pow(b1, static_cast<double>(t)));
    correction2 = static_cast<T>(1 - std::pow(b2, static_cast<double>(t)));
  }

  template <class Gradient>
  void update(Lane<T>& w, const Gradient& dw, States<T> state) const {
    Lane<T>& m = state[0];
    Lane<T>& s = state[1];
    m = beta1 * m + rest1 * dw;
    s = beta2 * s + rest2 * dw * dw;
    w -= eta * (m / correction1) / ((s / correction2).sqrt() + epsilon);
  }

  double b1, b2;
  T beta1, rest1, beta2, rest2, epsilon, eta = 0, correction1 = 1, correction2 = 1;
};

/// w <- w - eta lambda w for weights, then Adam's step.
template <class T>
struct AdamW : Adam<T> {
  explicit AdamW(const Settings& s) : Adam<T>(s), lambda(setting(s, "weight_decay")) {}

  void begin(double rate, std::uint64_t t) {
    Adam<T>::begin(rate, t);
    keep = static_cast<T>(1 - rate * lambda);
  }

  double lambda;
  T keep = 1;
};

/// Receives gradients by taking a step with them.
template <class T>
class Optimizer : public Receiver<T> {
 public:
  /// How many running quantities the rule keeps for each parameter; all start at zero.
  virtual int states() const = 0;

  /// Prepares step t = 1, 2, ... with this learning rate.
  virtual void begin(double rate, std::uint64_t t) = 0;

  // What is done to a gradient before the step: the regularizer's part is added to those of
  // weights, then all are clipped to -limit ... limit.
  Regularizer<T> regularizer{};
  T limit = std::numeric_limits<T>::infinity();
};

/// An Optimizer made of a rule.
template <class T, class Rule>
class Descent final : public Optimizer<T> {
 public:
  explicit Descent(const Settings& settings) : rule_(settings) {}

  int states() const override { return Rule::states; }

  void begin(double rate, std::uint64_t t) override { rule_.begin(rate, t); }

  void receive(Parameter<T>& w, Index i, Index j, ConstView<T> dw) override {
    const bool regularized = w.weight && this->regularizer.kind != Regularizer<T>::Kind::none;
    if (regularized || this->limit < std::numeric_limits<T>::infinity()) {
      take<false>(w, i, j, dw);
    } else {
      take<true>(w, i, j, dw);
    }
  }

 private:
  using Vector = Eigen::Array<T, width<T>, 1>;

  /// The step, vector by vector; `as_is`: with the gradient as it is.
  template <bool as_is>
  void take(Parameter<T>& parameter, Index i, Index j, ConstView<T> gradient) const {
    const Index stride = parameter.value.stride();
    const Rule rule = rule_;  // in registers: for all the compiler knows, w could lie over it
    const auto one = [&](Index r, Index c) {
      const Index at = (i + r) * stride + j + c;
      Lane<T> w(parameter.value.data() + at);
      Vector dw = ConstLane<T>(gradient.data() + r * gradient.outerStride() + c);
      if constexpr (!as_is) {
        if (parameter.weight) this->regularizer.add_gradient(w, dw);
        const T limit = this->limit;
        dw = (dw > limit).select(limit, (dw < -limit).select(-limit, dw));
      }
      if constexpr (requires { rule.keep; }) {
        if (parameter.weight) w *= rule.keep;
      }
      step(rule, w, dw, parameter, at, std::make_index_sequence<Rule::states>{});
    };
    if (gradient.cols() == kernels::tile_columns<T>) {
      // A full tile: the usual case, without a loop over its columns.
      for (Index r = 0; r < gradient.rows(); ++r) {
        one(r, 0);
        one(r, width<T>);
      }
      return;
    }
    for (Index r = 0; r < gradient.rows(); ++r) {
      for (Index c = 0; c < gradient.cols(); c += width<T>) one(r, c);
    }
  }

  template <std::size_t... k>
  static void step(const Rule& rule, Lane<T>& w, const Vector& dw, Parameter<T>& parameter,
                   Index at, std::index_sequence<k...>) {
    if constexpr (sizeof...(k) == 0) {
      rule.update(w, dw, nullptr);
    } else {
      Lane<T> state[] = {Lane<T>(parameter.state[k].data() + at)...};
      rule.update(w, dw, state);
    }
  }

  Rule rule_;
};

}  // namespace byhand

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

/// A rule applied to blocks of parameters.
template <class T>
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// How many running quantities the rule keeps for each parameter; all start at zero.
  virtual int states() const = 0;

  /// Prepares step t = 1, 2, ... with this learning rate.
  virtual void begin(double rate, std::uint64_t t) = 0;

  /// Takes the step for a block of w, from row i and column j on, given its gradient: first the
  /// regularizer's part is added to it, then it is clipped to -limit ... limit.
  virtual void update(Parameter<T>& w, Index i, Index j, ConstView<T> dw,
                      const Regularizer<T>& regularizer, T limit) const = 0;
};

/// An Optimizer made of a rule.
template <class T, class Rule>
class Descent final : public Optimizer<T> {
 public:
  explicit Descent(const Settings& settings) : rule_(settings) {}

  int states() const override { return Rule::states; }

  void begin(double rate, std::uint64_t t) override { rule_.begin(rate, t); }

  void update(Parameter<T>& parameter, Index i, Index j, ConstView<T> gradient,
              const Regularizer<T>& regularizer, T limit) const override {
    const bool regularized = parameter.weight && regularizer.kind != Regularizer<T>::Kind::none;
    const bool clipped = limit < std::numeric_limits<T>::infinity();
    for (Index r = 0; r < gradient.rows(); ++r) {
      const Index row = (i + r) * parameter.value.stride() + j;
      for (Index c = 0; c < gradient.cols(); c += width<T>) {
        Lane<T> w(parameter.value.data() + row + c);
        Eigen::Array<T, width<T>, 1> dw =
            ConstLane<T>(gradient.data() + r * gradient.outerStride() + c);
        if (regularized) regularizer.add_gradient(w, dw);
        if (clipped) {
          dw = dw.template min<Eigen::PropagateNaN>(limit).template max<Eigen::PropagateNaN>(-limit);
        }
        if constexpr (requires { rule_.keep; }) {
          if (parameter.weight) w *= rule_.keep;
        }
        step(w, dw, parameter, row + c, std::make_index_sequence<Rule::states>{});
      }
    }
  }

 private:
  template <std::size_t... k>
  void step(Lane<T>& w, const Eigen::Array<T, width<T>, 1>& dw, Parameter<T>& parameter, Index at,
            std::index_sequence<k...>) const {
    if constexpr (sizeof...(k) == 0) {
      rule_.update(w, dw, nullptr);
    } else {
      Lane<T> state[] = {Lane<T>(parameter.state[k].data() + at)...};
      rule_.update(w, dw, state);
    }
  }

  Rule rule_;
};

}  // namespace byhand

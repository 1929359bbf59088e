// What RNN, GRU and LSTM share: the loop over time. The Python twin is
// src/byhand/layers/recurrent.py, with the derivation.
#pragma once

#include "byhand/kernels/blocks.hpp"
#include "byhand/layers/layer.hpp"

namespace byhand {

/// state_t = f(x_t, state_t-1) for t = 1 ... time, with the same parameters in every step:
///
///     u_t = x_t Wx + b      v_t = h_t-1 Wh      of these and the old state a step makes the new one
///
///   Shapes       x[batch, time, in]   Wx[in, gates hidden]   Wh[hidden, gates hidden]
///                b[gates hidden]   h[batch, time, hidden]
///   Derivatives  dWx = sum of x_t^T du_t      dWh = sum of h_t-1^T dv_t      db = sum of du_t
///                dx_t = du_t Wx^T      what h_t is handed back = dv_t+1 Wh^T + its other uses
///
/// All u are one product, and so are all dx, dWx and dWh. In between, a step computes for each block of
/// units (see Parameter) its part of v and at once makes their new state of it, and on the way back
/// what h is handed back and at once du and dv of the step before: threads that share the blocks of a
/// step wait for each other once.
///
/// A padded step leaves the state as it is, and its output is 0; so are du and dv.
///
/// Cell is the layer itself, which has the equations of a step for one vector of units of one example:
///
///     step(at, v)            reads u and v; writes the new state, and what the way back needs
///     step_back(at)          reads the gradient of the new state; writes du, dv, and what the old
///                            state is handed back beside dv Wh^T
template <class T, class Cell>
class Recurrent : public Layer<T> {
 public:
  /// parts: arrays that the state consists of, the first of which is h.
  Recurrent(const Settings& settings, Index gates, std::size_t parts)
      : in_(static_cast<Index>(setting(settings, "in"))),
        hidden_(static_cast<Index>(setting(settings, "hidden"))),
        gates_(gates),
        blocks_((hidden_ + width<T> - 1) / width<T>),
        state_(parts),
        dstate_(parts) {
    add("Wx", true, in_, gates_);
    add("Wh", true, hidden_, gates_);
    add("b", false, 1, gates_);
  }

  Shape output_shape(const Shape& x) const override {
    if (x.size() != 2 || x[1] != in_) {
      throw std::invalid_argument("a recurrent layer: x and Wx differ in their axis in");
    }
    return {x[0], hidden_};
  }
  bool reads_x() const override { return true; }

  void reserve(Index batch, const Shape& x, int threads) override {
    time_ = x[0];
    room_ = batch * time_;
    u_ = gate_rows(blocks_ * room_);
    v_.clear();
    dWx_.clear();
    for (int k = 0; k < threads; ++k) {
      v_.push_back(gate_rows(batch));
      dWx_.push_back(gate_rows(in_));
    }
    for (auto& part : state_) part = Buffer<T>(batch + room_, hidden_);
    for (auto& part : dstate_) part = Buffer<T>(batch, hidden_);
    back_to_h_ = kernels::TransposedBlocks<T>(hidden_, blocks_, cell().gates_of_h());
    back_to_x_ = kernels::TransposedBlocks<T>(in_, blocks_, gates_);
  }

  Index state_size() const override { return static_cast<Index>(state_.size()) * hidden_; }

  void start(const T* state, Index batch) override {
    for (const auto& part : state_) {
      for (Index n = 0; n < batch; ++n) {
        T* to = row(part.all(), n);
        std::fill_n(to, part.stride(), T(0));  // the units that fill up a block, too
        if (state == nullptr) continue;
        std::copy_n(state, hidden_, to);
        state += hidden_;
      }
    }
  }

  void finish(T* state, Index batch) const override {
    for (const auto& part : state_) {
      for (Index n = 0; n < batch; ++n, state += hidden_) {
        std::copy_n(row(part.all(), time_ * batch + n), hidden_, state);
      }
    }
  }

  void forward(ConstView<T> x, View<T> h, Pass<T>& pass) override {
    batch_ = x.rows() / time_;
    from_input(x, pass);
    for (Index t = 0; t < time_; ++t) {
      each(blocks_, pass, [&](Index block, int member) {
        const T* v = times_Wh(h_before(t), block, 0, cell().gates_of_h(), member);
        each_row(block, t, pass.real, [&](const At& at) {
          at.real ? cell().step(at, v + at.n * u_.stride()) : cell().keep(at);
        });
      });
      cell().finish_step(t, pass);
    }
    for (Index r = 0; r < h.rows(); ++r) {
      if (pass.real == nullptr || pass.real[r]) {
        std::copy_n(row(state_[0].all(), batch_ + r), hidden_, row(h, r));
      } else {
        std::fill_n(row(h, r), hidden_, T(0));
      }
    }
  }

  void backward(ConstView<T> x, ConstView<T>, ConstView<T> dh, View<T> dx, Pass<T>& pass) override {
    back_to_h_.pack(constant(Wh().value.all()), 0);
    for (const auto& part : dstate_) flat(part.top(batch_)).setZero();
    each(blocks_, pass, [&](Index block, int) { back(block, time_ - 1, dh, pass); });
    for (Index t = time_ - 1; t >= 0; --t) {
      cell().finish_step_back(t, pass);
      if (t == 0) break;  // nobody asks for the gradient of the first state
      each(back_to_h_.panels(), pass, [&](Index panel, int) {
        const Buffer<T>& dv = cell().dv();
        back_to_h_.multiply_add(row(dv.all(), t * batch_), dv.stride(), room_ * dv.stride(), panel,
                                dstate_[0].top(batch_));
        back_to_h_.each_block(panel, [&](Index block) { back(block, t - 1, dh, pass); });
      });
    }
    if (dx.size() > 0) input_gradient(dx, pass);  // first: receiving dWx may change Wx
    const bool shared = x.rows() * gates_ * hidden_ * hidden_ >= Products<T>::kSharedWork;
    pass.products.team().run(blocks_, shared, [&](Index block, int member) {
      input_weight_gradient(x, block, member, pass);
      cell().recurrent_gradients(block, pass);
      receive_sums(b(), block, u_, 0, gates_, pass);
    });
  }

 protected:
  /// Where a step is in all arrays: which units of which example n; r is its row among all steps.
  struct At {
    Index block, n, r;
    bool real;
  };

  // What a cell with a second product in a step, or with a dv that is not du, does otherwise.

  /// Leaves a padded step's state as it is.
  void keep(const At& at) const {
    for (std::size_t part = 0; part < state_.size(); ++part) after(at, part) = before(at, part);
  }

  /// How many gates, from the first, have h Wh in their v.
  Index gates_of_h() const { return gates_; }
  void finish_step(Index /*t*/, Pass<T>&) {}
  void finish_step_back(Index /*t*/, Pass<T>&) {}
  const Buffer<T>& dv() const { return u_; }

  /// Hands on those of the parameters beside Wx and b.
  void recurrent_gradients(Index block, Pass<T>& pass) {
    receive_product(Wh(), block, pass, [&](Index i, Index rows, T* sums, Index stride) {
      transposed_times(all_h_before(), i, rows, cell().dv(), block, 0, gates_, sums, stride);
    });
  }

  /// A gate of u, which is one of du on the way back; or of another array of such rows.
  Lane<T> u(const At& at, Index gate) const { return gate_of(u_, at, gate); }
  Lane<T> gate_of(const Buffer<T>& rows, const At& at, Index gate) const {
    return Lane<T>(row(rows.all(), at.block * room_ + at.r) + gate * width<T>);
  }
  static ConstLane<T> gate_of(const T* v, Index gate) { return ConstLane<T>(v + gate * width<T>); }

  /// A part of the state before the step and after it, and its gradient.
  Lane<T> before(const At& at, std::size_t part = 0) const { return units(state_[part], at, at.r); }
  Lane<T> after(const At& at, std::size_t part = 0) const {
    return units(state_[part], at, at.r + batch_);
  }
  Lane<T> gradient(const At& at, std::size_t part = 0) const {
    return units(dstate_[part], at, at.n);
  }
  static Lane<T> units(const Buffer<T>& rows, const At& at, Index r) {
    return Lane<T>(row(rows.all(), r) + at.block * width<T>);
  }

  /// body(item, member) for all blocks or panels of one step.
  template <class Body>
  void each(Index items, Pass<T>& pass, Body&& body) {
    // The other threads are still awake from the step before.
    const bool shared = batch_ * gates_ * hidden_ * hidden_ >= Products<T>::kSharedWork / 8;
    pass.products.team().run(items, shared, body);
  }

  /// body(at) for all examples at a step.
  template <class Body>
  void each_row(Index block, Index t, const bool* real, Body&& body) const {
    for (Index n = 0; n < batch_; ++n) {
      const Index r = t * batch_ + n;
      body(At{block, n, r, real == nullptr || real[r]});
    }
  }

  /// v = h Wh for some gates of a block, a row for each of h.
  const T* times_Wh(ConstView<T> h, Index block, Index first, Index gates, int member) {
    const Buffer<T>&W = Wh().value, &v = v_[static_cast<std::size_t>(member)];
    kernels::times_block<T>(h, row(W.all(), block * hidden_) + first * width<T>, W.stride(), gates,
                            nullptr, v.data() + first * width<T>, v.stride());
    return v.data();
  }

  /// a^T dv for some columns of `a`, from `i` on, and some gates of a block.
  void transposed_times(ConstView<T> a, Index i, Index columns, const Buffer<T>& dv, Index block,
                        Index first, Index gates, T* sums, Index stride) const {
    kernels::transposed_times_block<T>(a, i, columns,
                                       row(dv.all(), block * room_) + first * width<T>, dv.stride(),
                                       gates, sums + first * width<T>, stride);
  }

  /// Hands on a block of the gradient of W, some rows at a time: product(i, rows, sums, stride).
  template <class Product>
  void receive_product(Parameter<T>& W, Index block, Pass<T>& pass, Product&& product) const {
    constexpr Index most = Products<T>::kBlockRows;
    alignas(64) T sums[most * kMostGates * width<T>];
    const Index stride = W.value.stride(), first = block * W.rows();
    for (Index i = 0; i < W.rows(); i += most) {
      const Index rows = std::min(most, W.rows() - i);
      product(i, rows, sums, stride);
      pass.gradients->receive(W, first + i, 0,
                              ConstView<T>(sums, rows, W.value.columns(), Eigen::OuterStride<>(stride)));
    }
  }

  /// Hands on a block of the gradient of a bias: the sum of all rows of some gates.
  void receive_sums(Parameter<T>& bias, Index block, const Buffer<T>& rows, Index first, Index gates,
                    Pass<T>& pass) const {
    alignas(64) T sums[kMostGates * width<T>];
    for (Index gate = 0; gate < gates; ++gate) {
      Eigen::Array<T, width<T>, 1> sum = gate_of(rows, At{block, 0, 0, true}, first + gate);
      for (Index r = 1; r < time_ * batch_; ++r) {
        sum += gate_of(rows, At{block, 0, r, true}, first + gate);
      }
      Lane<T>(sums + gate * width<T>) = sum;
    }
    pass.gradients->receive(bias, block, 0,
                            ConstView<T>(sums, 1, gates * width<T>, Eigen::OuterStride<>(gates * width<T>)));
  }

  ConstView<T> h_before(Index t) const { return h_before(t, batch_); }
  ConstView<T> all_h_before() const { return h_before(0, time_ * batch_); }

  Buffer<T> gate_rows(Index rows) const { return Buffer<T>(rows, gates_ * width<T>); }

  void add(const char* symbol, bool weight, Index rows, Index gates) {
    Parameter<T> w{symbol, weight, Buffer<T>(blocks_ * rows, gates * width<T>)};
    w.gates = gates;
    w.units = hidden_;
    this->parameters.push_back(std::move(w));
  }

  Parameter<T>& Wx() { return this->parameters[0]; }
  Parameter<T>& Wh() { return this->parameters[1]; }
  Parameter<T>& b() { return this->parameters[2]; }

  Index in_, hidden_, gates_, blocks_;
  Index time_ = 1, batch_ = 1;  // of the last pass
  Index room_ = 0;              // rows of a block of u
  Buffer<T> u_;                 // block after block, a row for each step of each example

 private:
  static constexpr Index kMostGates = 4;

  Cell& cell() { return static_cast<Cell&>(*this); }

  ConstView<T> h_before(Index t, Index rows) const {
    return ConstView<T>(row(state_[0].all(), t * batch_), rows, hidden_,
                        Eigen::OuterStride<>(state_[0].stride()));
  }

  /// u = x Wx + b. Where x is one-hot rows, each picks a row of Wx.
  void from_input(ConstView<T> x, Pass<T>& pass) {
    const Buffer<T>& W = Wx().value;
    const bool shared = x.rows() * in_ * gates_ * hidden_ >= Products<T>::kSharedWork;
    pass.products.team().run(blocks_, shared, [&](Index block, int) {
      const T* bias = row(b().value.all(), block);
      T* u = row(u_.all(), block * room_);
      if (pass.ones == nullptr) {
        kernels::times_block<T>(x, row(W.all(), block * in_), W.stride(), gates_, bias, u, u_.stride());
        return;
      }
      for (Index r = 0; r < x.rows(); ++r, u += u_.stride()) {
        const Index one = pass.ones[r];
        for (Index k = 0; k < gates_ * width<T>; k += width<T>) {
          Lane<T>(u + k) = ConstLane<T>(bias + k);
          if (one >= 0) Lane<T>(u + k) += ConstLane<T>(row(W.all(), block * in_ + one) + k);
        }
      }
    });
  }

  /// dx = du Wx^T
  void input_gradient(View<T> dx, Pass<T>& pass) {
    back_to_x_.pack(constant(Wx().value.all()), 0);
    flat(dx).setZero();
    const bool shared = dx.rows() * in_ * gates_ * hidden_ >= Products<T>::kSharedWork;
    pass.products.team().run(back_to_x_.panels(), shared, [&](Index panel, int) {
      back_to_x_.multiply_add(u_.data(), u_.stride(), room_ * u_.stride(), panel, dx);
    });
  }

  /// dWx = sum of x^T du. Where x is one-hot rows, each adds to one row of dWx.
  void input_weight_gradient(ConstView<T> x, Index block, int member, Pass<T>& pass) {
    if (pass.ones == nullptr) {
      receive_product(Wx(), block, pass, [&](Index i, Index rows, T* sums, Index stride) {
        transposed_times(x, i, rows, u_, block, 0, gates_, sums, stride);
      });
      return;
    }
    const Buffer<T>& dW = dWx_[static_cast<std::size_t>(member)];
    flat(dW.all()).setZero();
    const T* du = row(u_.all(), block * room_);
    for (Index r = 0; r < x.rows(); ++r, du += u_.stride()) {
      if (pass.ones[r] < 0) continue;
      T* to = row(dW.all(), pass.ones[r]);
      for (Index k = 0; k < gates_ * width<T>; k += width<T>) Lane<T>(to + k) += ConstLane<T>(du + k);
    }
    pass.gradients->receive(Wx(), block * in_, 0, constant(dW.all()));
  }

  /// A step back for all examples: dh is what the output is asked for.
  void back(Index block, Index t, ConstView<T> dh, Pass<T>& pass) {
    const Index first = block * width<T>, count = std::min(width<T>, hidden_ - first);
    each_row(block, t, pass.real, [&](const At& at) {
      if (at.real) {
        T* to = gradient(at).data();
        const T* from = row(dh, at.r) + first;
        for (Index k = 0; k < count; ++k) to[k] += from[k];
        cell().step_back(at);
      } else {
        for (Index gate = 0; gate < gates_; ++gate) {
          u(at, gate).setZero();
          gate_of(cell().dv(), at, gate).setZero();
        }
      }
    });
  }

  std::vector<Buffer<T>> state_;   // a row for each example before the first step, then those after it
  std::vector<Buffer<T>> dstate_;  // of one step
  std::vector<Buffer<T>> v_, dWx_;  // of each thread
  kernels::TransposedBlocks<T> back_to_h_, back_to_x_;
};

}  // namespace byhand

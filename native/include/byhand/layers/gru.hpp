// The gated recurrent unit. The Python twin is src/byhand/layers/gru.py, with the derivation.
#pragma once

#include "byhand/layers/recurrent.hpp"
#include "byhand/layers/sigmoid.hpp"

namespace byhand {

/// h_t = (1 - z) n + z h_t-1, with the gates r, z = sigma(u + h_t-1 Wh) and
///
///     n = tanh(u_n + r m)      m = h_t-1 Wn + bn            reset after the product, or
///     n = tanh(u_n + m)        m = (r h_t-1) Wn + bn        before it: q = r h_t-1
///
///   Derivatives  da_n = dh_t (1 - z) (1 - n^2)      da_z = dh_t (h_t-1 - n) z (1 - z)
///                dm = da_n r       dr = da_n m                                       after
///                dm = da_n         dq = dm Wn^T      dr = dq h_t-1                   before
///                da_r = dr r (1 - r)      dbn = sum of dm
///                dh_t-1 = dh_t z + da_r Wr^T + da_z Wz^T + (dm Wn^T after, dq r before)
template <class T>
class GRU final : public Recurrent<T, GRU<T>> {
  using Base = Recurrent<T, GRU<T>>;

 public:
  explicit GRU(const Settings& settings)
      : Base(settings, 3, 1), reset_after_(setting(settings, "reset_after") != 0) {
    this->add("bn", false, 1, 1);
  }

  void reserve(Index batch, const Shape& x, int threads) override {
    Base::reserve(batch, x, threads);
    if (reset_after_) {
      dv_ = this->gate_rows(this->blocks_ * this->room_);
    } else {
      q_ = Buffer<T>(this->room_, this->hidden_);
      dq_ = Buffer<T>(batch, this->hidden_);
      back_to_q_ = kernels::TransposedBlocks<T>(this->hidden_, this->blocks_, 1);
    }
  }

 private:
  friend Base;
  using typename Base::At;
  using Vector = Eigen::Array<T, width<T>, 1>;
  enum Gate : Index { r, z, n };

  /// Before the product, q takes part in the n of all units, so it is finished first.
  Index gates_of_h() const { return reset_after_ ? 3 : 2; }

  /// After the product, m waits for the way back where its gradient will be.
  const Buffer<T>& dv() const { return reset_after_ ? dv_ : this->u_; }

  void step(const At& at, const T* v) {
    auto u_r = this->u(at, r), u_z = this->u(at, z);
    u_r = sigmoid(u_r + this->gate_of(v, r));
    u_z = sigmoid(u_z + this->gate_of(v, z));
    if (reset_after_) {
      auto m = this->gate_of(dv_, at, n);
      m = this->gate_of(v, n) + bias(at);
      step_to(at, u_r * m);
    } else {
      q_of(at) = u_r * this->before(at);
    }
  }

  void step_to(const At& at, const Vector& m) {
    auto u_z = this->u(at, z), u_n = this->u(at, n);
    u_n = (u_n + m).tanh();
    this->after(at) = (1 - u_z) * u_n + u_z * this->before(at);
  }

  void finish_step(Index t, Pass<T>& pass) {
    if (reset_after_) return;
    this->each(this->blocks_, pass, [&](Index block, int member) {
      const T* v = this->times_Wh(q(t * this->batch_, this->batch_), block, n, 1, member);
      this->each_row(block, t, pass.real, [&](const At& at) {
        if (at.real) step_to(at, this->gate_of(v + at.n * this->u_.stride(), n) + bias(at));
      });
    });
  }

  void keep(const At& at) const {
    Base::keep(at);
    if (!reset_after_) q_of(at).setZero();
  }

  void step_back(const At& at) {
    auto u_r = this->u(at, r), u_z = this->u(at, z), u_n = this->u(at, n);
    auto dh = this->gradient(at);
    const Vector a_r = u_r, a_z = u_z, a_n = u_n;
    const Vector da_n = dh * (1 - a_z) * (1 - a_n * a_n);
    u_z = dh * (this->before(at) - a_n) * a_z * (1 - a_z);
    u_n = da_n;
    dh *= a_z;
    if (reset_after_) {
      auto m = this->gate_of(dv_, at, n);
      u_r = da_n * m * a_r * (1 - a_r);
      this->gate_of(dv_, at, r) = u_r;
      this->gate_of(dv_, at, z) = u_z;
      m = da_n * a_r;
    } else {
      this->units(dq_, at, at.n).setZero();
    }
  }

  void finish_step_back(Index t, Pass<T>& pass) {
    if (reset_after_) return;
    const Buffer<T>& u = this->u_;
    if (t == this->time_ - 1) back_to_q_.pack(constant(this->Wh().value.all()), n);
    this->each(back_to_q_.panels(), pass, [&](Index panel, int) {
      back_to_q_.multiply_add(row(u.all(), t * this->batch_) + n * width<T>, u.stride(),
                              this->room_ * u.stride(), panel, dq_.top(this->batch_));
      back_to_q_.each_block(panel, [&](Index block) {
        this->each_row(block, t, pass.real, [&](const At& at) {
          if (!at.real) return;
          auto u_r = this->u(at, r);
          const Vector a_r = u_r, dq = this->units(dq_, at, at.n);
          this->gradient(at) += dq * a_r;
          u_r = dq * this->before(at) * a_r * (1 - a_r);
        });
      });
    });
  }

  void recurrent_gradients(Index block, Pass<T>& pass) {
    this->receive_product(this->Wh(), block, pass, [&](Index i, Index rows, T* sums, Index stride) {
      this->transposed_times(this->all_h_before(), i, rows, dv(), block, r, gates_of_h(), sums, stride);
      if (reset_after_) return;
      this->transposed_times(q(0, this->time_ * this->batch_), i, rows, dv(), block, n, 1, sums, stride);
    });
    this->receive_sums(this->parameters[3], block, dv(), n, 1, pass);
  }

  ConstLane<T> bias(const At& at) const {
    return ConstLane<T>(row(this->parameters[3].value.all(), at.block));
  }

  Lane<T> q_of(const At& at) const { return this->units(q_, at, at.r); }
  ConstView<T> q(Index first, Index rows) const {
    return ConstView<T>(row(q_.all(), first), rows, this->hidden_, Eigen::OuterStride<>(q_.stride()));
  }

  bool reset_after_;
  Buffer<T> dv_;                             // after the product
  Buffer<T> q_, dq_;                         // before it
  kernels::TransposedBlocks<T> back_to_q_;
};

}  // namespace byhand

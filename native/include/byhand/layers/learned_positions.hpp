// Positions as a table that is learned. The Python twin is src/byhand/layers/learned_positions.py.
#pragma once

#include "byhand/layers/positions.hpp"

namespace byhand {

/// y = x + P[position], where P is a parameter.
///
///   Derivatives  dx = dy      dP[t] = sum of dy over all real steps at position t
template <class T>
class LearnedPositions final : public Positions<T> {
 public:
  explicit LearnedPositions(const Settings& settings) : Positions<T>(settings) {
    const auto rows = static_cast<Index>(setting(settings, "positions"));
    this->parameters.push_back({"P", true, Buffer<T>(rows, this->features_)});
    dP_ = Buffer<T>(rows, this->features_);
  }

 private:
  const T* row_of(Index position) override {
    const Buffer<T>& P = this->parameters[0].value;
    if (position >= P.rows()) throw std::invalid_argument("LearnedPositions: P has no such position");
    return row(P.all(), position);
  }

  void begin_gradient() override { dP_.all().setZero(); }
  void add_gradient(Index position, const T* dy) override {
    dP_.all().row(position).array() += typename Positions<T>::Numbers(dy, this->features_).transpose();
  }
  void end_gradient(Pass<T>& pass) override {
    pass.gradients->receive(this->parameters[0], 0, 0, constant(dP_.all()));
  }

  Buffer<T> dP_;
};

}  // namespace byhand

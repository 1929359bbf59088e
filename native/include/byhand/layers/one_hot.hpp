// Numbers that are names, as rows of a single 1. The Python twin is src/byhand/layers/one_hot.py.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y[n, t, v] = 1 where v = ids[n, t], and 0 elsewhere, everywhere for an id of -1.
///
///   Derivative  an id is a name: there is none
///
/// A recurrent layer behind it picks rows of its Wx, and does no product.
template <class T>
class OneHot final : public Layer<T> {
 public:
  explicit OneHot(const Settings& settings)
      : vocabulary_(static_cast<Index>(setting(settings, "vocabulary"))) {}

  Shape output_shape(const Shape& ids) const override {
    if (ids.size() != 1) throw std::invalid_argument("OneHot: an example is not a row of ids");
    return {ids[0], vocabulary_};
  }
  bool takes_ids() const override { return true; }
  const Index* ones() const override { return ones_.data(); }

  void reserve(Index batch, const Shape& ids, int) override {
    ones_.resize(static_cast<std::size_t>(batch * ids[0]));
  }

  void forward(ConstView<T> ids, View<T> y, Pass<T>&) override {
    y.setZero();
    for (Index t = 0, r = 0; t < ids.cols(); ++t) {
      for (Index n = 0; n < ids.rows(); ++n, ++r) {
        const Index one = ones_[static_cast<std::size_t>(r)] = static_cast<Index>(ids(n, t));
        if (one >= 0) y(r, one) = T(1);
      }
    }
  }

  void backward(ConstView<T>, ConstView<T>, ConstView<T>, View<T>, Pass<T>&) override {}

 private:
  Index vocabulary_;
  std::vector<Index> ones_;
};

}  // namespace byhand

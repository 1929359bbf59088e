// A vector for each thing that has a number. The Python twin is src/byhand/layers/embedding.py, with
// the derivation.
#pragma once

#include "byhand/layers/layer.hpp"

namespace byhand {

/// y = E[ids]: row number id of a table, for each id of a sequence, and 0 for an id of -1.
///
///   Shapes      ids[batch, time]   E[vocabulary, features]   y[batch, time, features]
///   Derivative  dE[v] = sum of dy[n, t] over all n, t with ids[n, t] = v
template <class T>
class Embedding final : public Layer<T> {
 public:
  explicit Embedding(const Settings& settings) {
    this->parameters.push_back({"E", true,
                                Buffer<T>(static_cast<Index>(setting(settings, "vocabulary")),
                                          static_cast<Index>(setting(settings, "features")))});
  }

  Shape output_shape(const Shape& ids) const override {
    if (ids.size() != 1) throw std::invalid_argument("Embedding: an example is not a row of ids");
    return {ids[0], E().value.columns()};
  }
  bool takes_ids() const override { return true; }
  bool reads_x() const override { return true; }

  void reserve(Index, const Shape&, int) override {
    make_room(dE_, E().value.rows(), E().value.columns());
  }

  void forward(ConstView<T> ids, View<T> y, Pass<T>&) override {
    y.setZero();
    each_id(ids, [&](Index r, Index id) { y.row(r) = E().value.all().row(id); });
  }

  void backward(ConstView<T> ids, ConstView<T>, ConstView<T> dy, View<T>, Pass<T>& pass) override {
    View<T> dE = dE_.all();
    dE.setZero();
    each_id(ids, [&](Index r, Index id) { dE.row(id) += dy.row(r); });
    pass.gradients->receive(this->parameters[0], 0, 0, constant(dE));
  }

 private:
  const Parameter<T>& E() const { return this->parameters[0]; }

  /// body(row of y, id) for all that are no padding.
  template <class Body>
  static void each_id(ConstView<T> ids, Body&& body) {
    for (Index t = 0, r = 0; t < ids.cols(); ++t) {
      for (Index n = 0; n < ids.rows(); ++n, ++r) {
        if (ids(n, t) >= 0) body(r, static_cast<Index>(ids(n, t)));
      }
    }
  }

  Buffer<T> dE_;
};

}  // namespace byhand

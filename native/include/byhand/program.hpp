// A model, a loss and an optimizer made into something that runs. The Python twins are
// src/byhand/engines/program.py and numpy.py.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "byhand/clipping.hpp"
#include "byhand/layers/sequential.hpp"
#include "byhand/losses.hpp"
#include "byhand/optimizers.hpp"
#include "byhand/regularizers.hpp"

namespace byhand {

/// Examples, one after the other without gaps; those of ids have them as numbers, and -1 for padding.
/// Targets are class labels, from 0 to the number of outputs - 1 (0 and 1 for a single output), one
/// for each step where the output is a sequence, and -1 there where nothing is asked; or else as many
/// values as outputs.
template <class T>
struct Examples {
  const T* inputs;
  const std::int64_t* labels;  // or null
  const T* values;             // or null
};

/// The mean loss, and how many answers are right (0 where there is not one class for each example).
struct Evaluation {
  double loss;
  std::int64_t right;
};

/// What the recurrent layers remember of a batch, for each of them an array as Python has it; of no
/// batch at the beginning, which is zeros.
template <class T>
struct RecurrentStates {
  Index batch = 0;
  std::vector<std::vector<T>> values{};
};

/// Asks go_on() whether to go on, at most every hundredth of a second and not after a no.
template <class GoOn>
class NowAndThen {
 public:
  explicit NowAndThen(GoOn& go_on) : go_on_(go_on), asked_(Clock::now()) {}

  bool operator()() {
    if (const auto now = Clock::now(); yes_ && now - asked_ > std::chrono::milliseconds(10)) {
      yes_ = go_on_();
      asked_ = now;
    }
    return yes_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  GoOn& go_on_;
  Clock::time_point asked_;
  bool yes_ = true;
};

/// Everything about training beside the model.
template <class T>
struct Recipe {
  std::unique_ptr<Loss<T>> loss;
  std::unique_ptr<Optimizer<T>> optimizer;
  Regularizer<T> regularizer{};
  Clipping clipping{};
  std::uint64_t seed = 0;  // of the dropout masks
  int threads = 1;
  bool carry_state = false;  // whether a training step starts from the states that the last one left
};

template <class T>
class Program {
 public:
  /// Examples that go through the model at once where the caller does not say how many: fewer, where
  /// one has more than so many numbers in some layer, to save memory and to be heard in between.
  static constexpr Index kRows = 256;
  static constexpr Index kNumbers = 1 << 20;

  Program(Sequential<T> model, Recipe<T> recipe)
      : model_(std::move(model)),
        recipe_(std::move(recipe)),
        parameters_(model_.parameters()),
        trained_(trained(parameters_)),
        products_(recipe_.threads, longest(parameters_)),
        pass_{products_, recipe_.seed},
        recurrent_(model_.all_over_steps()),
        given_(model_.input()) {
    carried_.values.resize(recurrent_.size());
    if (recipe_.clipping.kind != Clipping::Kind::global_norm) {
      recipe_.optimizer->regularizer = recipe_.regularizer;
    }
    if (recipe_.clipping.kind == Clipping::Kind::value) {
      recipe_.optimizer->limit = static_cast<T>(recipe_.clipping.limit);
    }
    for (auto* w : trained_) {
      for (int k = 0; k < recipe_.optimizer->states(); ++k) {
        w->state.emplace_back(w->value.rows(), w->value.columns());
      }
    }
    reserve(1);
  }

  Sequential<T>& model() { return model_; }
  Products<T>& products() { return products_; }
  const std::vector<Parameter<T>*>& parameters() { return parameters_; }

  /// The model for examples of all their steps, whatever those of the last batch were.
  const Sequential<T>& whole_model() {
    use_steps(full_steps());
    return model_;
  }

  /// What the next training step starts from.
  RecurrentStates<T>& recurrent_state() { return carried_; }

  /// From now on the examples have this shape.
  void reshape(Shape example) {
    given_ = example;
    model_.reshape(std::move(example));
    room_ = 0;
  }

  /// One step for each learning rate, over consecutive batches of `order`; the last may be short.
  /// Fills in the loss of each step and returns how many were begun: a loss that is not finite is
  /// the last one, and the parameters stay as they were before that step. Between steps it asks
  /// go_on(), now and then.
  template <class GoOn>
  Index train(const Examples<T>& data, const std::int64_t* order, Index count, Index batch,
              std::uint64_t first_step, const double* rates, Index steps, double* losses,
              GoOn&& go_on) {
    NowAndThen going(go_on);
    for (Index k = 0; k < steps; ++k) {
      const Index begin = k * batch, some = std::min(batch, count - begin);
      gather(data, [&](Index n) { return order[begin + n]; }, some, std::min(batch, count));
      start(carried_);
      losses[k] = forward(some, true, first_step + static_cast<std::uint64_t>(k));
      if (!std::isfinite(losses[k])) return k + 1;
      recipe_.optimizer->begin(rates[k], first_step + static_cast<std::uint64_t>(k) + 1);
      step(some);
      model_.update_statistics();
      if (recipe_.carry_state) finish(some, carried_);
      if (!going()) return k + 1;
    }
    return steps;
  }

  /// The loss plus the regularizer; the gradients, before clipping, go to each parameter's
  /// `gradient`. With `training` the dropout masks are those of `step`.
  double gradients(const Examples<T>& data, Index count, bool training, std::uint64_t step) {
    gather(data, [](Index n) { return n; }, count, count);
    start(carried_);
    const double loss = forward(count, training, step);
    backward_and_keep(count);
    double penalty = 0;
    for (auto* w : parameters_) {
      if (w->weight) penalty += recipe_.regularizer.penalty(constant(w->value.all()));
    }
    return loss + penalty;
  }

  /// The mean loss without the regularizer, and the number of right answers. With `streams` above 0
  /// the first so many examples start from states of zeros, and each of the others from that of the
  /// example so many places before it. It asks go_on(), now and then; after a no the result means
  /// nothing.
  template <class GoOn>
  Evaluation evaluate(const Examples<T>& data, Index count, Index streams, GoOn&& go_on) {
    double loss = 0;
    Index asked = 0;
    std::int64_t right = 0;
    RecurrentStates<T> states{0, std::vector<std::vector<T>>(recurrent_.size())};
    NowAndThen going(go_on);
    use_steps(full_steps());  // on which it depends how many go through at once
    const Index most = std::min(count, streams > 0 ? streams : part());
    in_parts(count, most, [&](Index first, Index some) {
      if (!going()) return;
      gather(data, [&](Index n) { return first + n; }, some, most);
      start(states);
      const double mean = forward(some, false, 0);
      if (streams > 0) finish(some, states);
      if (asked_ > 0) loss += mean * static_cast<double>(asked_);
      asked += asked_;
      if (data.labels && model_.output().size() == 1) right += count_right(some, data.labels + first);
    });
    return {loss / static_cast<double>(asked), right};
  }

  /// Probabilities, or values for the quadratic cost, one example after the other without gaps.
  void predict(const T* inputs, Index count, T* out) {
    make_room_for(count);
    in_parts(count, part(), [&](Index first, Index some) {
      start({});
      predict_part(inputs, first, some, out);
    });
  }

  /// The state of a layer before a piece of a sequence (null for zeros), and where that after it
  /// goes. One that is a row for each step so far is in `to` already: `past` rows of each example, with
  /// room for as many as `room`.
  struct Going {
    const T* from;
    T* to;
    Index past, room;
  };

  /// The same for pieces of sequences.
  void predict_from(const T* inputs, Index count, const std::vector<Going>& states, T* out) {
    use_steps(full_steps());
    reserve(count);
    for (std::size_t k = 0; k < recurrent_.size(); ++k) {
      recurrent_[k]->start(states[k].from, count);
      recurrent_[k]->go_on(states[k].to, states[k].past, states[k].room);
    }
    predict_part(inputs, 0, count, out);
    for (std::size_t k = 0; k < recurrent_.size(); ++k) {
      recurrent_[k]->finish(states[k].to, count);
      recurrent_[k]->go_on(nullptr, 0, 0);
    }
  }

  /// The output of each layer k in evaluation, one example after the other in out[k], without gaps.
  void activations(const T* inputs, Index count, const std::vector<T*>& out) {
    make_room_for(count);
    in_parts(count, part(), [&](Index first, Index some) {
      copy_inputs(inputs, [&](Index n) { return first + n; }, some);
      pass_.training = false;
      start({});
      model_.forward(some, pass_, [&](std::size_t k, ConstView<T> y) {
        copy_examples(y, some, out[k] + first * byhand::count(model_.output(k)));
      });
    });
  }

 private:
  static std::vector<Parameter<T>*> trained(std::vector<Parameter<T>*> parameters) {
    std::erase_if(parameters, [](const auto* w) { return !w->trained; });
    return parameters;
  }

  /// The longest sum that a product of theirs can have.
  static Index longest(const std::vector<Parameter<T>*>& parameters) {
    Index most = 1;
    for (const auto* w : parameters) most = std::max({most, w->rows(), w->columns()});
    return most;
  }

  void reserve(Index batch) {
    if (batch <= room_) return;
    model_.reserve(batch, recipe_.threads);
    targets_ = Buffer<T>(batch * places(model_.output()), columns(model_.output()));
    room_ = batch;
  }

  /// How many examples go through the model at once.
  Index part() const { return std::clamp<Index>(kNumbers / model_.widest(), 1, kRows); }

  /// Room for the parts of so many examples, with all their steps.
  void make_room_for(Index examples) {
    use_steps(full_steps());
    reserve(std::min(examples, part()));
  }

  template <class Body>
  void in_parts(Index count, Index part, Body&& body) {
    for (Index first = 0; first < count; first += part) body(first, std::min(part, count - first));
  }

  /// What the next pass starts from, and how it has ended.
  void start(const RecurrentStates<T>& states) {
    for (std::size_t k = 0; k < recurrent_.size(); ++k) {
      const bool beginning = states.batch == 0;
      recurrent_[k]->start(beginning ? nullptr : states.values[k].data(), beginning ? room_ : states.batch);
    }
  }
  void finish(Index batch, RecurrentStates<T>& states) const {
    states.batch = batch;
    for (std::size_t k = 0; k < recurrent_.size(); ++k) {
      states.values[k].resize(static_cast<std::size_t>(batch * recurrent_[k]->state_size()));
      recurrent_[k]->finish(states.values[k].data(), batch);
    }
  }

  /// Steps of an example, which are its last axis where it is ids.
  Index full_steps() const { return given_.empty() ? 1 : given_.back(); }

  /// From now on only so many steps of each example go through the model.
  void use_steps(Index steps) {
    if (given_.empty() || model_.input().back() == steps) return;
    Shape example = given_;
    example.back() = steps;
    model_.reshape(std::move(example));
    room_ = 0;
  }

  /// Whether inputs and labels both have one for each step.
  bool in_steps(const Examples<T>& data) const {
    return model_.reads_ids() && data.labels != nullptr && model_.output().size() == 2;
  }

  /// How many steps some examples have that are no padding in all of them, where inputs and labels are
  /// both sequences.
  template <class At>
  Index used_steps(const Examples<T>& data, At&& at, Index batch) const {
    const Index full = full_steps();
    if (!in_steps(data) || full == 0) return full;
    const Index rows = byhand::count(given_) / full;
    Index used = 1;
    for (Index n = 0; n < batch && used < full; ++n) {
      for (Index t = full; t > used; --t) {
        bool real = data.labels[at(n) * full + t - 1] >= 0;
        for (Index k = 0; k < rows; ++k) real |= data.inputs[(at(n) * rows + k) * full + t - 1] >= T(0);
        if (real) used = t;
      }
    }
    return used;
  }

  /// The inputs, of which a row may be longer than those of the model now.
  template <class At>
  void copy_inputs(const T* inputs, At&& at, Index batch) {
    const View<T> x = model_.x(batch);
    const Index columns = byhand::columns(given_);
    each_row(x.rows(), batch, [&](Index r, Index n, Index t, Index steps) {
      std::copy_n(inputs + (at(n) * steps + t) * columns, x.cols(), row(x, r));
    });
  }

  static void copy_examples(ConstView<T> y, Index batch, T* out) {
    each_row(y.rows(), batch, [&](Index r, Index n, Index t, Index steps) {
      std::copy_n(row(y, r), y.cols(), out + (n * steps + t) * y.cols());
    });
  }

  /// The examples at(0), at(1), ... with their targets, labels as one-hot rows. There is room for as
  /// many as `most`.
  template <class At>
  void gather(const Examples<T>& data, At&& at, Index batch, Index most) {
    use_steps(used_steps(data, at, batch));
    reserve(most);
    const Index full = in_steps(data) ? full_steps() : places(model_.output());
    copy_inputs(data.inputs, at, batch);
    const View<T> targets = targets_.top(batch * places(model_.output()));
    asked_ = 0;
    each_row(targets.rows(), batch, [&](Index r, Index n, Index t, Index) {
      const Index place = at(n) * full + t;
      T* to = row(targets, r);
      if (data.values) {
        std::copy_n(data.values + place * targets.cols(), targets.cols(), to);
      } else if (targets.cols() == 1) {
        to[0] = static_cast<T>(data.labels[place]);
      } else {
        std::fill_n(to, targets.cols(), T(0));
        if (data.labels[place] < 0) return;
        to[data.labels[place]] = T(1);
      }
      ++asked_;
    });
  }

  /// body(row, example, step, steps) for all rows of a batch.
  template <class Body>
  static void each_row(Index rows, Index batch, Body&& body) {
    for (Index t = 0, r = 0; r < rows; ++t) {
      for (Index n = 0; n < batch; ++n, ++r) body(r, n, t, rows / batch);
    }
  }

  void predict_part(const T* inputs, Index first, Index batch, T* out) {
    copy_inputs(inputs, [&](Index n) { return first + n; }, batch);
    pass_.training = false;
    model_.forward(batch, pass_);
    const View<T> y = model_.y(batch);
    recipe_.loss->probabilities(y);
    copy_examples(constant(y), batch, out + first * byhand::count(model_.output()));
  }

  double forward(Index batch, bool training, std::uint64_t step) {
    pass_.training = training;
    pass_.step = step;
    model_.forward(batch, pass_);
    const View<T> y = model_.y(batch);
    return recipe_.loss->forward(constant(y), constant(targets_.top(y.rows())), asked_,
                                 model_.dy(batch));
  }

  void backward(Index batch, Receiver<T>& gradients) {
    pass_.gradients = &gradients;
    const View<T> dy = model_.dy(batch);
    recipe_.loss->backward(constant(targets_.top(dy.rows())), asked_, dy);
    model_.backward(batch, pass_);
  }

  /// The gradients with the regularizer's part.
  void backward_and_keep(Index rows) {
    for (auto* w : trained_) {
      if (!w->gradient) w->gradient = Buffer<T>(w->value.rows(), w->value.columns());
    }
    backward(rows, keep_);
    for (auto* w : trained_) {
      auto dw = flat(w->gradient.all());
      if (w->weight) recipe_.regularizer.add_gradient(flat(constant(w->value.all())), dw);
    }
  }

  void step(Index rows) {
    if (recipe_.clipping.kind != Clipping::Kind::global_norm) {
      // Each block of a gradient updates its block of the parameter as soon as it is there.
      backward(rows, *recipe_.optimizer);
      return;
    }
    // The norm of all gradients has to be known before the first step is taken.
    backward_and_keep(rows);
    const double norm = global_norm(trained_);
    for (auto* w : trained_) {
      if (!(norm <= recipe_.clipping.limit)) {
        flat(w->gradient.all()) *= static_cast<T>(recipe_.clipping.limit / norm);
      }
      recipe_.optimizer->receive(*w, 0, 0, constant(w->gradient.all()));
    }
  }

  std::int64_t count_right(Index rows, const std::int64_t* labels) {
    View<T> y = model_.y(rows);
    std::int64_t right = 0;
    if (y.cols() == 1) {
      recipe_.loss->probabilities(y);
      for (Index n = 0; n < rows; ++n) right += (y(n, 0) > T(0.5)) == (labels[n] == 1);
      return right;
    }
    for (Index n = 0; n < rows; ++n) right += largest(y, n) == labels[n];
    return right;
  }

  /// The first of the largest scores of an example, or the first that is not a number.
  static Index largest(View<T> y, Index n) {
    Index best = 0;
    for (Index k = 0; k < y.cols() && !std::isnan(y(n, best)); ++k) {
      if (!(y(n, k) <= y(n, best))) best = k;
    }
    return best;
  }

  /// Copies gradients to where their parameters keep them.
  class Keep final : public Receiver<T> {
   public:
    void receive(Parameter<T>& w, Index i, Index j, ConstView<T> dw) override {
      for (Index r = 0; r < dw.rows(); ++r) {
        std::copy_n(dw.data() + r * dw.outerStride(), dw.cols(),
                    w.gradient.data() + (i + r) * w.gradient.stride() + j);
      }
    }
  };

  Sequential<T> model_;
  Recipe<T> recipe_;
  std::vector<Parameter<T>*> parameters_, trained_;
  Products<T> products_;
  Pass<T> pass_;
  std::vector<Layer<T>*> recurrent_;
  RecurrentStates<T> carried_;
  Buffer<T> targets_;
  Index asked_ = 0;  // how many places of the targets ask for something
  Keep keep_;
  Index room_ = 0;
  Shape given_;  // of an example, as it was given
};

}  // namespace byhand

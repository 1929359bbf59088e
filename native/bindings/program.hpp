// The binding of one Program<T>. The caller, src/byhand/engines/native.py, checks the arrays and
// makes one call at a time.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <list>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "byhand/program.hpp"
#include "byhand/registry.hpp"

namespace nb = nanobind;

namespace byhand::bindings {

template <class Scalar>
using Input = nb::ndarray<const Scalar, nb::c_contig, nb::device::cpu>;

template <class Scalar>
using Output = nb::ndarray<nb::numpy, Scalar, nb::c_contig>;

/// A new NumPy array of this shape, uninitialised.
template <class Scalar>
Output<Scalar> new_array(std::initializer_list<std::size_t> shape) {
  std::size_t size = 1;
  for (const auto each : shape) size *= each;
  auto* data = new Scalar[size];
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<Scalar*>(p); });
  return Output<Scalar>(data, shape, owner);
}

/// The memory of a contiguous array. A fraction of what an nb::ndarray costs, which shows where one
/// digit is answered in a few microseconds.
class Contiguous {
 public:
  Contiguous(nb::handle array, int flags) {
    if (PyObject_GetBuffer(array.ptr(), &buffer_, flags) != 0) throw nb::python_error();
  }
  Contiguous(const Contiguous&) = delete;
  Contiguous& operator=(const Contiguous&) = delete;
  ~Contiguous() { PyBuffer_Release(&buffer_); }

  template <class Scalar>
  Scalar* data() const {
    return static_cast<Scalar*>(buffer_.buf);
  }

  template <class Scalar>
  Index size() const {
    return buffer_.len / static_cast<Index>(sizeof(Scalar));
  }

 private:
  Py_buffer buffer_;
};

/// Whether Python wants to go on: Ctrl-C and other signals are handled here, by Python's handlers.
inline bool no_signal() {
  nb::gil_scoped_acquire held;
  return PyErr_CheckSignals() == 0;
}

template <class T>
class BoundProgram {
 public:
  using Targets = std::pair<std::optional<Input<std::int64_t>>, std::optional<Input<T>>>;

  BoundProgram(const std::vector<Described>& layers, const Shape& example, const std::string& loss,
               const Described& optimizer, const std::pair<std::string, double>& regularizer,
               const std::pair<std::string, double>& clipping, std::uint64_t seed, int threads,
               bool carry_state)
      : program_(model(layers, example),
                 Recipe<T>{make(losses<T>(), loss), make(optimizers<T>(), optimizer.first, optimizer.second),
                           {regularizer_kind(regularizer.first), regularizer.second},
                           {clipping_kind(clipping.first), clipping.second},
                           seed,
                           threads,
                           carry_state}) {}

  void reshape(const Shape& example) { program_.reshape(example); }

  /// A parameter (state -1) or one of the optimizer's running quantities, as rows.
  Output<T> get(std::size_t index, int state) {
    const Parameter<T>& parameter = *program_.parameters().at(index);
    return copied(parameter, array(parameter, state));
  }

  Output<T> gradient(std::size_t index) {
    const Parameter<T>& parameter = *program_.parameters().at(index);
    return copied(parameter, parameter.gradient);
  }

  void set(std::size_t index, int state, Input<T> values) {
    const Parameter<T>& parameter = *program_.parameters().at(index);
    const Buffer<T>& into = array(parameter, state);
    if (values.size() != static_cast<std::size_t>(parameter.rows() * parameter.columns())) {
      throw std::invalid_argument("a parameter has another number of elements");
    }
    // What fills up rows and blocks is 0 again, whatever a run that diverged has left there.
    std::fill_n(into.data(), into.rows() * into.stride(), T(0));
    parameter.each_run([&](Index at, Index to, Index count) {
      std::copy_n(values.data() + at, count, into.data() + to);
    });
  }

  /// The recurrent layers' states, of so many examples; none and of no example at the beginning.
  std::pair<Index, std::vector<Output<T>>> recurrent_state() {
    const RecurrentStates<T>& states = program_.recurrent_state();
    std::vector<Output<T>> all;
    for (std::size_t k = 0; states.batch > 0 && k < states.values.size(); ++k) {
      all.push_back(new_array<T>({states.values[k].size()}));
      std::copy(states.values[k].begin(), states.values[k].end(), all[k].data());
    }
    return {states.batch, all};
  }

  void set_recurrent_state(const std::vector<Input<T>>& values, Index batch) {
    RecurrentStates<T>& states = program_.recurrent_state();
    states.batch = batch;
    for (std::size_t k = 0; k < values.size(); ++k) {
      states.values.at(k).assign(values[k].data(), values[k].data() + values[k].size());
    }
  }

  Output<double> train(Input<T> inputs, const Targets& targets, Input<std::int64_t> order,
                       std::int64_t batch, std::uint64_t first_step, Input<double> rates) {
    std::vector<double> losses(rates.size());
    Index begun = 0;
    bool interrupted = false;
    {
      nb::gil_scoped_release released;
      begun = program_.train(examples(inputs, targets), order.data(),
                             static_cast<Index>(order.size()), batch, first_step, rates.data(),
                             static_cast<Index>(rates.size()), losses.data(),
                             [&] { return !(interrupted = !no_signal()); });
    }
    if (interrupted) throw nb::python_error();
    Output<double> out = new_array<double>({static_cast<std::size_t>(begun)});
    std::copy_n(losses.data(), begun, out.data());
    return out;
  }

  double gradients(Input<T> inputs, const Targets& targets, std::optional<std::uint64_t> step) {
    nb::gil_scoped_release released;
    return program_.gradients(examples(inputs, targets), count(inputs), step.has_value(),
                              step.value_or(0));
  }

  std::pair<double, std::int64_t> evaluate(Input<T> inputs, const Targets& targets, Index streams) {
    Evaluation result{};
    bool interrupted = false;
    {
      nb::gil_scoped_release released;
      result = program_.evaluate(examples(inputs, targets), count(inputs), streams,
                                 [&] { return !(interrupted = !no_signal()); });
    }
    if (interrupted) throw nb::python_error();
    return {result.loss, result.right};
  }

  void predict(nb::handle inputs, nb::handle out) {
    const Contiguous x(inputs, PyBUF_C_CONTIGUOUS), y(out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE);
    nb::gil_scoped_release released;
    program_.predict(x.data<const T>(), x.size<T>() / byhand::count(program_.whole_model().input()),
                     y.data<T>());
  }

  /// States are arrays for each layer that has one, None for zeros. Where one is a row for each step
  /// so far, `to` has so many `past` rows of each example, and `room` for more.
  void predict_from(nb::handle inputs, nb::list from, nb::handle out, nb::list to,
                    const std::vector<Index>& past, const std::vector<Index>& room) {
    const Contiguous x(inputs, PyBUF_C_CONTIGUOUS), y(out, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE);
    std::list<Contiguous> arrays;
    std::vector<typename Program<T>::Going> states;
    for (std::size_t k = 0; k < to.size(); ++k) {
      const nb::handle before = from[k], after = to[k];
      states.push_back({before.is_none() ? nullptr : arrays.emplace_back(before, PyBUF_C_CONTIGUOUS).data<const T>(),
                        arrays.emplace_back(after, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE).data<T>(),
                        past.at(k), room.at(k)});
    }
    nb::gil_scoped_release released;
    program_.predict_from(x.data<const T>(), x.size<T>() / byhand::count(program_.whole_model().input()), states,
                          y.data<T>());
  }

  std::vector<Output<T>> activations(Input<T> inputs) {
    const auto rows = inputs.shape(0);
    std::vector<Output<T>> all;
    std::vector<T*> data;
    const Sequential<T>& model = program_.whole_model();
    for (std::size_t k = 0; k < model.size(); ++k) {
      const Index each = byhand::count(model.output(k));
      all.push_back(new_array<T>({rows, static_cast<std::size_t>(each)}));
      data.push_back(all.back().data());
    }
    nb::gil_scoped_release released;
    program_.activations(inputs.data(), count(inputs), data);
    return all;
  }

 private:
  static Sequential<T> model(const std::vector<Described>& described, const Shape& example) {
    return Sequential<T>(make_layers<T>(described), example);
  }

  static typename Regularizer<T>::Kind regularizer_kind(const std::string& name) {
    using Kind = typename Regularizer<T>::Kind;
    if (name == "L2") return Kind::L2;
    if (name == "L1") return Kind::L1;
    if (name.empty()) return Kind::none;
    throw std::invalid_argument("no twin of " + name + " is written in C++; there is L1, L2");
  }

  static Clipping::Kind clipping_kind(const std::string& name) {
    if (name == "ClipByValue") return Clipping::Kind::value;
    if (name == "ClipByGlobalNorm") return Clipping::Kind::global_norm;
    if (name.empty()) return Clipping::Kind::none;
    throw std::invalid_argument("no twin of " + name +
                                " is written in C++; there is ClipByGlobalNorm, ClipByValue");
  }

  static Index count(const Input<T>& inputs) { return static_cast<Index>(inputs.shape(0)); }

  static Examples<T> examples(const Input<T>& inputs, const Targets& targets) {
    return {inputs.data(), targets.first ? targets.first->data() : nullptr,
            targets.second ? targets.second->data() : nullptr};
  }

  static const Buffer<T>& array(const Parameter<T>& parameter, int state) {
    return state < 0 ? parameter.value : parameter.state.at(static_cast<std::size_t>(state));
  }

  /// An array of a parameter as rows without gaps.
  static Output<T> copied(const Parameter<T>& parameter, const Buffer<T>& from) {
    Output<T> out = new_array<T>({static_cast<std::size_t>(parameter.rows()),
                                  static_cast<std::size_t>(parameter.columns())});
    parameter.each_run([&](Index at, Index to, Index count) {
      std::copy_n(from.data() + to, count, out.data() + at);
    });
    return out;
  }

  Program<T> program_;
};

template <class T>
void bind(nb::module_& module, const char* name) {
  using Bound = BoundProgram<T>;
  nb::class_<Bound>(module, name)
      .def(nb::init<const std::vector<Described>&, const Shape&, const std::string&,
                    const Described&, const std::pair<std::string, double>&,
                    const std::pair<std::string, double>&, std::uint64_t, int, bool>(),
           nb::arg("layers"), nb::arg("example"), nb::arg("loss"), nb::arg("optimizer"),
           nb::arg("regularizer"), nb::arg("clipping"), nb::arg("seed"), nb::arg("threads"),
           nb::arg("carry_state"))
      .def("reshape", &Bound::reshape)
      .def("get", &Bound::get)
      .def("set", &Bound::set)
      .def("gradient", &Bound::gradient)
      .def("train", &Bound::train)
      .def("gradients", &Bound::gradients, nb::arg("inputs"), nb::arg("targets"),
           nb::arg("step").none())
      .def("evaluate", &Bound::evaluate)
      .def("predict", &Bound::predict)
      .def("predict_from", &Bound::predict_from)
      .def("recurrent_state", &Bound::recurrent_state)
      .def("set_recurrent_state", &Bound::set_recurrent_state)
      .def("activations", &Bound::activations);
}

}  // namespace byhand::bindings

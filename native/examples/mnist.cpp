// Trains a network on MNIST in C++ alone, and writes it to mnist.safetensors.
//
//     cmake -S native -B build/native && cmake --build build/native
//     build/native/mnist FOLDER [--epochs 3] [--seed 0]
//
// FOLDER holds the four files of MNIST as they are published, unpacked.
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "byhand/initializers.hpp"
#include "byhand/layers/dense.hpp"
#include "byhand/layers/sigmoid.hpp"
#include "byhand/program.hpp"
#include "idx.hpp"
#include "safetensors.hpp"

using namespace byhand;

namespace {

constexpr Index kPixels = 28 * 28, kHidden = 100, kClasses = 10, kBatch = 10;
constexpr double kLearningRate = 0.5;
constexpr const char* kFile = "mnist.safetensors";

volatile std::sig_atomic_t interrupted = 0;

struct Options {
  std::filesystem::path folder;
  std::uint64_t epochs = 3, seed = 0;
};

Options read_options(int count, char** words) {
  Options options;
  for (int k = 1; k < count; ++k) {
    const std::string_view word = words[k];
    if (!word.starts_with("--") && options.folder.empty()) {
      options.folder = word;
      continue;
    }
    if (word != "--epochs" && word != "--seed") {
      throw InputError("expected one folder and the options --epochs and --seed, found " +
                       std::string(word) + ": leave it out");
    }
    const std::string_view value = k + 1 < count ? words[++k] : "nothing";
    auto& number = word == "--epochs" ? options.epochs : options.seed;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      throw InputError(std::string(word) + " needs a whole number such as " + std::string(word) +
                       " 3, found " + std::string(value));
    }
  }
  if (options.folder.empty()) {
    throw InputError("expected a folder with the four files of MNIST, found none: give it as in "
                     "mnist FOLDER --epochs 3 --seed 0");
  }
  return options;
}

/// Pictures as rows of pixels from 0 to 1, and the digits that they show.
struct Digits {
  std::vector<float> inputs;
  std::vector<std::int64_t> labels;

  Index size() const { return static_cast<Index>(labels.size()); }
  Examples<float> examples() const { return {inputs.data(), labels.data(), nullptr}; }
};

Digits read_digits(const std::filesystem::path& folder, const std::string& part) {
  const auto pictures = folder / (part + "-images-idx3-ubyte");
  const auto answers = folder / (part + "-labels-idx1-ubyte");
  const Idx<3> images = read_idx<3>(pictures);
  const Idx<1> labels = read_idx<1>(answers);
  const auto [count, height, width] = images.sizes;
  if (count == 0 || height != 28 || width != 28) {
    throw InputError(pictures.string() + " is expected to hold pictures of 28 x 28, found " +
                     std::to_string(count) + " of " + std::to_string(height) + " x " +
                     std::to_string(width) + ": give the files of MNIST");
  }
  if (labels.sizes[0] != count) {
    throw InputError(answers.string() + " is expected to hold " + std::to_string(count) +
                     " labels, found " + std::to_string(labels.sizes[0]) +
                     ": take both files from the same place");
  }
  Digits digits;
  digits.inputs.reserve(images.bytes.size());
  for (const auto pixel : images.bytes) digits.inputs.push_back(static_cast<float>(pixel) / 255);
  for (const auto label : labels.bytes) {
    if (label >= kClasses) {
      throw InputError(answers.string() + " is expected to hold labels from 0 to 9, found " +
                       std::to_string(label) + ": download it again");
    }
    digits.labels.push_back(label);
  }
  return digits;
}

/// [784, 100, 10]: scores for each class, which the loss takes as they are.
Sequential<float> network(std::uint64_t seed) {
  std::vector<std::unique_ptr<Layer<float>>> layers;
  layers.push_back(std::make_unique<Dense<float>>(Settings{{"in", kPixels}, {"out", kHidden}}));
  layers.push_back(std::make_unique<Sigmoid<float>>(Settings{}));
  layers.push_back(std::make_unique<Dense<float>>(Settings{{"in", kHidden}, {"out", kClasses}}));
  Sequential<float> model(std::move(layers), Shape{kPixels});
  initialize(model, seed);
  return model;
}

/// Trains for one epoch and prints a line about it, or until Ctrl-C. Returns the number of steps.
Index train_epoch(Program<float>& program, const Digits& train, const Digits& test,
                 std::uint64_t seed, std::uint64_t epoch) {
  using Clock = std::chrono::steady_clock;
  const Index steps = (train.size() + kBatch - 1) / kBatch;
  const auto order = batch_order(seed, epoch, train.size());
  const std::vector<double> rates(static_cast<std::size_t>(steps), kLearningRate);
  std::vector<double> losses(rates.size());
  const auto begin = Clock::now();
  const Index done = program.train(train.examples(), order.data(), train.size(), kBatch,
                                   epoch * static_cast<std::uint64_t>(steps), rates.data(), steps,
                                   losses.data(), [] { return interrupted == 0; });
  const std::chrono::duration<double, std::micro> time = Clock::now() - begin;
  if (!std::isfinite(losses[static_cast<std::size_t>(done - 1)])) {
    throw std::runtime_error("the loss is not finite any more: choose a smaller learning rate");
  }
  if (done < steps) return done;
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  const auto [test_loss, right] = program.evaluate(test.examples(), test.size(), 0,
                                                       [] { return true; });
  std::cout << std::fixed << std::setprecision(4) << "epoch " << epoch + 1 << ": loss "
            << loss / static_cast<double>(steps) << ", test accuracy " << std::setprecision(2)
            << 100 * static_cast<double>(right) / static_cast<double>(test.size()) << " %, "
            << std::setprecision(1) << time.count() / static_cast<double>(steps)
            << " microseconds per step" << std::endl;
  return done;
}

void run(const Options& options) {
  const Digits train = read_digits(options.folder, "train");
  const Digits test = read_digits(options.folder, "t10k");
  Recipe<float> recipe{};
  recipe.loss = std::make_unique<SoftmaxCrossEntropy<float>>();
  recipe.optimizer = std::make_unique<Descent<float, SGD<float>>>(Settings{});
  Program<float> program(network(options.seed), std::move(recipe));

  std::signal(SIGINT, [](int) { interrupted = 1; });
  Index steps = 0;
  for (std::uint64_t epoch = 0; epoch < options.epochs && interrupted == 0; ++epoch) {
    steps += train_epoch(program, train, test, options.seed, epoch);
  }
  if (interrupted != 0) std::cout << "interrupted after step " << steps << std::endl;
  const auto& w = program.parameters();
  write_safetensors(kFile, {{"hidden1.W", &w[0]->value},
                            {"hidden1.b", &w[1]->value},
                            {"output.W", &w[2]->value},
                            {"output.b", &w[3]->value}});
  std::cout << "the parameters are in " << kFile << std::endl;
}

}  // namespace

int main(int count, char** words) {
  try {
    run(read_options(count, words));
  } catch (const InputError& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
  return interrupted ? 130 : 0;
}

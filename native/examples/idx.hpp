// The idx files of MNIST: a magic number, the size of each axis, then one byte for each element.
//
// Source  LeCun, Cortes, Burges, The MNIST database of handwritten digits, "file formats".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

/// Something in what the user gave: one line on what was expected, what was found, what to do.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Unsigned bytes with as many axes; the first one counts the examples.
template <std::size_t axes>
struct Idx {
  std::array<std::uint32_t, axes> sizes;
  std::vector<std::uint8_t> bytes;
};

/// Numbers are stored with their highest byte first.
inline std::uint32_t read_number(std::istream& file) {
  std::uint32_t number = 0;
  for (int k = 0; k < 4; ++k) number = number << 8 | static_cast<std::uint8_t>(file.get());
  return number;
}

/// Reads a file whole. Its sizes are held against its length before memory is asked for.
template <std::size_t axes>
Idx<axes> read_idx(const std::filesystem::path& path) {
  constexpr std::uint32_t magic = 0x0800 + axes;  // 8: of unsigned bytes
  constexpr std::uint64_t header = 4 + 4 * axes;
  std::ifstream file(path, std::ios::binary);
  if (!file || !std::filesystem::is_regular_file(path)) {
    throw InputError(path.string() + " is expected, and there is no such file to read: give the "
                     "folder that holds the four files of MNIST, unpacked");
  }
  const std::uint64_t length = std::filesystem::file_size(path);
  const std::uint32_t found = read_number(file);
  if (length < header || found != magic) {
    throw InputError(path.string() + " is expected to start with the magic number " +
                     std::to_string(magic) + ", found " +
                     (length < header ? std::to_string(length) + " bytes" : std::to_string(found)) +
                     ": unpack the file if it ends in .gz, or download it again");
  }
  Idx<axes> idx;
  double elements = 1;  // the product of three sizes could be above 2^64
  std::string sizes;
  for (auto& size : idx.sizes) {
    size = read_number(file);
    elements *= size;
    sizes += (sizes.empty() ? "" : " x ") + std::to_string(size);
  }
  if (elements != static_cast<double>(length - header)) {
    throw InputError(path.string() + " is expected to hold " + sizes + " bytes after its header, "
                     "found " + std::to_string(length - header) + ": download it again");
  }
  idx.bytes.resize(length - header);
  file.read(reinterpret_cast<char*>(idx.bytes.data()),
            static_cast<std::streamsize>(idx.bytes.size()));
  if (!file) throw InputError(path.string() + " could not be read to its end: try again");
  return idx;
}

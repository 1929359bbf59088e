// Parameters in the format of safetensors, which the other engines of byhand, PyTorch and many
// other programs read: the header's length, the header as JSON, then the numbers of each tensor.
#pragma once

#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "byhand/array.hpp"

using NamedTensor = std::pair<std::string, const byhand::Buffer<float>*>;

/// Writes a file whole: to another name first, so that there is never half a file of this name.
/// A tensor of one row is written as a vector.
inline void write_safetensors(const std::filesystem::path& path,
                              const std::vector<NamedTensor>& tensors) {
  static_assert(std::endian::native == std::endian::little, "the format is little-endian");
  std::string header = "{";
  std::uint64_t begin = 0;
  for (const auto& [name, w] : tensors) {
    const auto rows = std::to_string(w->rows()), columns = std::to_string(w->columns());
    const auto end = begin + static_cast<std::uint64_t>(w->rows() * w->columns()) * sizeof(float);
    header += (begin == 0 ? "\"" : ",\"") + name + "\":{\"dtype\":\"F32\",\"shape\":[" +
              (w->rows() == 1 ? columns : rows + "," + columns) + "],\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(end) + "]}";
    begin = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the numbers are aligned

  const std::filesystem::path temporary = path.string() + ".part";
  std::ofstream file(temporary, std::ios::binary);
  const std::uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header;
  for (const auto& [name, w] : tensors) {
    for (byhand::Index row = 0; row < w->rows(); ++row) {  // without the padding
      file.write(reinterpret_cast<const char*>(w->data() + row * w->stride()),
                 w->columns() * static_cast<std::streamsize>(sizeof(float)));
    }
  }
  file.close();
  if (!file) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw std::runtime_error(path.string() + " could not be written: is the disk full, or the "
                             "folder read-only?");
  }
  std::filesystem::rename(temporary, path);
}

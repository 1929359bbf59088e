// A file for each type, so that two cores compile at once. What does not depend on the type is
// bound here.
#include "program.hpp"

namespace {

template <class Part>
std::vector<std::string> names(const std::vector<byhand::Entry<Part>>& entries) {
  std::vector<std::string> all;
  for (const auto& each : entries) all.push_back(each.name);
  return all;
}

}  // namespace

void bind_float32(nb::module_& module) {
  byhand::bindings::bind<float>(module, "Program32");
  module.def("layers", [] {
    auto all = names(byhand::layers<float>());
    for (const char* block : byhand::kBlocks) all.push_back(block);
    return all;
  });
  module.def("losses", [] { return names(byhand::losses<float>()); });
  module.def("optimizers", [] { return names(byhand::optimizers<float>()); });
  module.def("regularizers", [] { return std::vector<std::string>{"L1", "L2"}; });
  module.def("clippings", [] { return std::vector<std::string>{"ClipByGlobalNorm", "ClipByValue"}; });
}

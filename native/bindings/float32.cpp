#include "program.hpp"

// A file for each type, so that two cores compile at once.
void bind_float32(nb::module_& module) { byhand::bindings::bind<float>(module, "Program32"); }

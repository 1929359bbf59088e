#include "program.hpp"

void bind_float64(nb::module_& module) { byhand::bindings::bind<double>(module, "Program64"); }

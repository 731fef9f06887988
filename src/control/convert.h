// Between Json and libsystemd's variants.
#pragma once

#include <systemd/sd-json.h>
#include <systemd/sd-varlink-idl.h>

#include <memory>

#include "egressd/control/json.h"

namespace egressd::control {

struct VariantUnref {
  void operator()(sd_json_variant* variant) const { sd_json_variant_unref(variant); }
};
using Variant = std::unique_ptr<sd_json_variant, VariantUnref>;

// Never null; out of memory asserts.
Variant ToVariant(const Json& value);
Json FromVariant(sd_json_variant* variant);

// The declaration of io.egressd, made once; lives as long as the process.
const sd_varlink_interface* Interface();

}  // namespace egressd::control

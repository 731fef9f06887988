# Warnings are errors for our own code; assertions (EGRESSD_ASSERT) stay on in every build type.
add_library(egressd_flags INTERFACE)
target_compile_options(egressd_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wno-missing-field-initializers  # designated initialisers leave members to their defaults on purpose
  -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(egressd_flags INTERFACE -Wno-missing-designated-field-initializers)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_CXX_LINK_OPTIONS_IPO -flto=auto)  # link on all cores; GCC runs `make` for that, and without it stays on one
endif()
if(EGRESSD_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
if(EGRESSD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

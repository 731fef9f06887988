# Every C library under one name. The static binary takes the archives, with what they need behind them.
find_package(PkgConfig REQUIRED)

function(egressd_library name)
  add_library(lib_${name} INTERFACE)
  foreach(module IN LISTS ARGN)
    pkg_check_modules(${module} REQUIRED IMPORTED_TARGET ${module})
    if(EGRESSD_STATIC)
      target_link_libraries(lib_${name} INTERFACE ${${module}_STATIC_LDFLAGS})
    else()
      target_link_libraries(lib_${name} INTERFACE PkgConfig::${module})
    endif()
    target_include_directories(lib_${name} SYSTEM INTERFACE ${${module}_INCLUDE_DIRS})
  endforeach()
endfunction()

egressd_library(sodium libsodium)
egressd_library(mnl libmnl)
egressd_library(nftnl libnftnl libmnl)
egressd_library(nl libnl-route-3.0 libnl-3.0)
egressd_library(yamlcpp yaml-cpp)
egressd_library(llhttp libllhttp)
egressd_library(systemd libsystemd)
if(EGRESSD_STATIC)
  target_link_libraries(lib_systemd INTERFACE -lcap -lm)  # libsystemd.a needs them; its .pc does not say so
endif()

# Header-only libraries.
add_library(lib_cli11 INTERFACE)
add_library(lib_spdlog INTERFACE)
target_compile_definitions(lib_spdlog INTERFACE SPDLOG_USE_STD_FORMAT SPDLOG_NO_EXCEPTIONS)

import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `assetsInlineLimit: 0` and no module preload polyfill: the content security policy takes neither data: fonts nor inline script.
export default defineConfig({
  base: "/ui/",
  plugins: [react()],
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2022", manifest: true, reportCompressedSize: false },
});

"""`make codegen`: TypeScript types of every public function and every table, printed from their Python declarations."""

// The rules of `npm run lint`: sizes, comments, types, and the dialect that njs can run.
import tseslint from 'typescript-eslint'
import { builtinRules } from 'eslint/use-at-your-own-risk'

const lines = (max) => ({ max, skipBlankLines: true, skipComments: true })

// A rule has one severity; under a second name the same rule can warn before it refuses.
const soft = {
  rules: {
    'max-lines': builtinRules.get('max-lines'),
    'max-lines-per-function': builtinRules.get('max-lines-per-function'),
  },
}

// esbuild refuses most of these too, but only at build time and without the line in the editor.
const NJS_CANNOT = {
  'ClassDeclaration, ClassExpression': 'classes',
  ForOfStatement: 'for-of',
  'ObjectPattern, ArrayPattern': 'destructuring',
  AssignmentPattern: 'default parameters',
  SpreadElement: 'spread',
  ':function[generator=true]': 'generators',
  ChainExpression: 'optional chaining',
  'AssignmentExpression[operator=/^(\\?\\?|\\|\\||&&)=$/]': 'logical assignment',
  'NewExpression[callee.name=/^(Map|Set|WeakMap|WeakSet|WeakRef|Proxy)$/]': 'Map, Set or Proxy',
  'CatchClause[param=null]': 'catch without a binding',
  ImportExpression: 'dynamic import',
  'Literal[bigint]': 'BigInt',
  'Literal[regex.flags=/[suv]/]': 'the regex flags s, u and v',
}

export default tseslint.config(
  { ignores: ['dist/', 'dist.*/', 'node_modules/', '.sluice/', '.tools/', '.compiled*/'] },
  { files: ['**/*.{js,mjs}'], extends: [tseslint.configs.recommended] },
  { files: ['**/*.{ts,js,mjs}'], rules: { curly: 'error' } },
  {
    files: ['**/*.{ts,js,mjs}'],
    rules: {
      // Code is prettier's; this is for comments alone.
      'max-len': [
        'error',
        { code: 10_000, comments: 100, ignoreUrls: true, ignorePattern: 'eslint-disable' },
      ],
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.njs.json', './tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // An interface asks for promises; an implementation need not wait for anything.
      '@typescript-eslint/require-await': 'off',
      'prefer-const': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['**/*.{ts,js,mjs}'],
    ignores: ['test/**', 'lab/**'],
    plugins: { soft },
    rules: {
      'max-lines': ['error', lines(400)],
      'max-lines-per-function': ['error', lines(60)],
      'soft/max-lines': ['warn', lines(250)],
      'soft/max-lines-per-function': ['warn', lines(30)],
    },
  },
  {
    files: ['njs/**/*.ts', 'contract/**/*.ts'],
    rules: {
      // Text from the table is compared with the marks that it may begin with.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // A catch without a binding is one of the things the engine has not got.
      '@typescript-eslint/no-unused-vars': ['error', { caughtErrors: 'none' }],
      'no-restricted-syntax': [
        'error',
        ...Object.entries(NJS_CANNOT).map(([selector, what]) => ({
          selector,
          message: `The njs engine has no ${what}.`,
        })),
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'lab/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // tap awaits its subtests itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: '@tapjs/test' }] },
      ],
    },
  },
)
